"""Rows of listings: pages of 1,000 keys in buckets of 10^4, 10^5 and 10^6 keys, one after another and at random."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

from bench.build import HERE
from bench.control import ControlFailed
from bench.keys import FOLDERS, flat_keys, key_of
from bench.plan import Request
from bench.row import Bench, Row, measure

PAGE_KEYS = 1000
EXPONENTS = (4, 5, 6)
PAGES_MAX = 1000  # different pages of one row; then again from the first
METADATA_FILE = "metadata/metadata.sqlite"  # of the embedded store below the directory of dolmen dev
FILL_SECONDS_MAX = 1200.0

Query = dict[str, str]


def listing_rows(exponents: tuple[int, ...] = EXPONENTS) -> Iterator[tuple[str, Callable[[Bench], Row]]]:
    """Name and maker of each row; the same listing at each size one after another, since they are compared with each other.

    The delimiter rows list ``flat/``, where no key holds another delimiter.
    """
    for label, queries, clients in (
        ("page @1", sequential, 1),
        ("page delimiter @1", sequential_delimiter, 1),
        ("100 prefixes @1", common_prefixes, 1),
        ("random page @16", random_pages, 16),
        ("random page delimiter @16", random_delimiter, 16),
    ):
        for exponent in exponents:
            name, keys = f"LIST 10^{exponent} {label}", 10**exponent
            yield name, lambda bench, n=name, k=keys, q=queries, c=clients: list_row(bench, n, k, q(k), c)  # type: ignore[misc]


def prefill(bench: Bench, names: Sequence[str]) -> None:
    """Fill the buckets of these rows, so that no filling comes between them."""
    for exponent in EXPONENTS:
        if any(name.startswith(f"LIST 10^{exponent} ") for name in names):
            with contextlib.suppress(ControlFailed):  # its own rows will tell
                filled(bench, f"bench-list-{10**exponent}", 10**exponent)


def sequential(keys: int) -> list[Query]:
    """Page after page through the whole bucket; start-after stands for the continuation token."""
    return [_after(page * PAGE_KEYS, keys) for page in range(min(PAGES_MAX, keys // PAGE_KEYS))]


def sequential_delimiter(keys: int) -> list[Query]:
    pages = min(PAGES_MAX, flat_keys(keys) // PAGE_KEYS)
    return [_after(page * PAGE_KEYS, keys, prefix="flat/", delimiter="/") for page in range(pages)]


def common_prefixes(keys: int) -> list[Query]:
    """100 common prefixes that hold four fifths of the keys."""
    del keys
    return [{"list-type": "2", "max-keys": str(PAGE_KEYS), "prefix": "tree/", "delimiter": "/"}]


def random_pages(keys: int) -> list[Query]:
    draw = random.Random(keys)
    return [_after(draw.randrange(keys - PAGE_KEYS + 1), keys) for _ in range(PAGES_MAX)]


def random_delimiter(keys: int) -> list[Query]:
    draw = random.Random(keys)
    last = flat_keys(keys) - PAGE_KEYS
    return [_after(draw.randrange(last + 1), keys, prefix="flat/", delimiter="/") for _ in range(PAGES_MAX)]


def _after(index: int, keys: int, **more: str) -> Query:
    start = {"start-after": key_of(index - 1, keys)} if index else {}
    return {"list-type": "2", "max-keys": str(PAGE_KEYS), **start, **more}


def list_row(bench: Bench, name: str, keys: int, queries: list[Query], clients: int) -> Row:
    """Fill the bucket if need be, check one page, measure."""
    bucket = f"bench-list-{keys}"
    if missing := filled(bench, bucket, keys):
        return Row(name=name, skipped=missing)
    check_page(bench, bucket, queries[-1])
    signer = bench.server.endpoint.signer()
    requests = [Request(signer.head("GET", f"/{bucket}", query)) for query in queries]
    return measure(bench, name, requests, connections=clients)


def check_page(bench: Bench, bucket: str, query: Query) -> None:
    """A page that is not full would look quick. Raises ``ControlFailed``."""
    answer = bench.server.endpoint.expect("GET", f"/{bucket}", query)
    prefixes_only = query.get("prefix") == "tree/"
    tag, wanted = (b"<CommonPrefixes>", FOLDERS) if prefixes_only else (b"<Contents>", PAGE_KEYS)
    if answer.count(tag) != wanted:
        raise ControlFailed(f"a listing of {bucket} with {query} holds {answer.count(tag)} instead of {wanted}")


def filled(bench: Bench, bucket: str, keys: int) -> str:
    """See to it that the bucket holds its keys; why it cannot, or an empty string. Raises ``ControlFailed``."""
    endpoint = bench.server.endpoint
    status, _, answer = endpoint.call("GET", f"/{bucket}", {"list-type": "2", "start-after": key_of(keys - 2, keys)})
    if status == 200 and answer.count(b"<Contents>") == 1:
        return ""
    words = filling(bench)
    if not words:
        return "the bucket is filled through the metadata: of a server started here, or named by --metadata"
    endpoint.ensure_bucket(bucket)
    bench.progress(f"  filling {bucket}")
    command = [sys.executable, "-m", *words, bucket, str(keys)]
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=FILL_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return f"filling took more than {FILL_SECONDS_MAX:.0f} s"
    if done.returncode != 0:
        raise ControlFailed(f"filling failed: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    return ""


def filling(bench: Bench) -> list[str]:
    """The module that fills, and where the metadata are; nothing when that is not known."""
    server = bench.server
    if server.metadata is not None:
        return ["bench.fill_cassandra", server.metadata.url]
    path = server.data_dir / METADATA_FILE if server.data_dir is not None else None
    return ["bench.fill", str(path)] if path is not None and path.exists() else []
