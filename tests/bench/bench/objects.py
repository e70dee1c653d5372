"""Rows of single objects: PUT, GET, HEAD, DELETE, DeleteObjects, multipart."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator

from bench.control import ControlFailed
from bench.generator import GeneratorFailed, Outcome
from bench.plan import Request, pattern_body
from bench.row import MEBIBYTE, Bench, Row, Watch, measure, row_of

SIZES = {"4 KiB": 4096, "64 KiB": 65536, "1 MiB": MEBIBYTE, "10 MiB": 10 * MEBIBYTE, "100 MiB": 100 * MEBIBYTE}
CLIENTS = (1, 16, 64)
# Objects that GET and HEAD read in turn: enough that no row reads one object alone, small enough to write quickly.
READ_SETS = {4096: 1000, 65536: 256, MEBIBYTE: 64, 10 * MEBIBYTE: 16, 100 * MEBIBYTE: 4}
PUTS_PER_SECOND_MAX = 8000  # keys prepared for a second of a PUT row: above what any store here reached
PUT_BYTES_PER_SECOND_MAX = 1_500_000_000  # the same for large objects
DELETES_PER_SECOND = 1500  # objects written for a second of the DELETE row
DISK_FACTOR = 2.0  # 4+2 and the metadata beside the bytes themselves
DISK_SPARE_BYTES = 2 << 30  # left free on the disk by every row
BATCH_KEYS = 1000  # of one DeleteObjects: S3's limit
PART_BYTES = 8 * MEBIBYTE
PARTS = 8
UPLOAD_CLIENTS = 4

RowMaker = Callable[[Bench], Row]


def object_rows() -> Iterator[tuple[str, RowMaker]]:
    """Name and maker of each row, in the order they run: large objects last, since memory that they need may be kept."""
    for size_name, size in SIZES.items():
        for method, make in (("PUT", put_row), ("GET", get_row)):
            for clients in CLIENTS:
                name = f"{method} {size_name} @{clients}"
                yield name, lambda bench, n=name, s=size, c=clients, m=make: m(bench, n, s, c)  # type: ignore[misc]
    yield "HEAD 4 KiB @16", head_row
    yield "DELETE 4 KiB @16", delete_row
    yield "DeleteObjects x 1000 @1", delete_objects_row
    yield "multipart 64 MiB @4", multipart_row


def put_row(bench: Bench, name: str, size: int, clients: int) -> Row:
    """Unique keys."""
    wanted = int(bench.seconds * min(PUTS_PER_SECOND_MAX, PUT_BYTES_PER_SECOND_MAX / size))
    if missing := disk_missing(bench, max(clients * size, int(bench.seconds * 300_000_000) if size >= MEBIBYTE else 0)):
        return Row(name=name, skipped=missing)
    tag = name.replace(" ", "")
    keys = [f"put/{bench.nonce}/{tag}/{index:07d}" for index in range(max(clients, wanted))]
    return measure(bench, name, puts(bench, keys, size), connections=clients, object_bytes=size, unique=True)


def get_row(bench: Bench, name: str, size: int, clients: int) -> Row:
    """The whole object; its length is checked each time, its content once before."""
    if missing := disk_missing(bench, READ_SETS[size] * size if size not in bench.seeded else 0):
        return Row(name=name, skipped=missing)
    keys = seed(bench, size)
    signer = bench.server.endpoint.signer()
    requests = [Request(signer.head("GET", f"/{bench.bucket}/{key}"), expected_bytes=size) for key in keys]
    return measure(bench, name, requests, connections=clients, object_bytes=size)


def head_row(bench: Bench) -> Row:
    signer = bench.server.endpoint.signer()
    requests = [Request(signer.head("HEAD", f"/{bench.bucket}/{key}")) for key in seed(bench, SIZES["4 KiB"])]
    return measure(bench, "HEAD 4 KiB @16", requests, connections=16)


def delete_row(bench: Bench) -> Row:
    """As many objects as were written for it."""
    keys = [f"delete/{bench.nonce}/{index:07d}" for index in range(int(bench.seconds * DELETES_PER_SECOND))]
    written = write(bench, keys, SIZES["4 KiB"])
    signer = bench.server.endpoint.signer()
    requests = [Request(signer.head("DELETE", f"/{bench.bucket}/{key}")) for key in written]
    return measure(bench, "DELETE 4 KiB @16", requests, connections=16, count=len(requests))


def delete_objects_row(bench: Bench) -> Row:
    """One client, quiet mode; the answers are searched for errors of single keys."""
    name = "DeleteObjects x 1000 @1"
    batches = 2 if bench.quick else 5
    keys = [f"batch/{bench.nonce}/{index:07d}" for index in range(batches * BATCH_KEYS)]
    written = write(bench, keys, SIZES["4 KiB"])
    if len(written) < len(keys):
        return Row(name=name, skipped="its objects could not be written")
    signer = bench.server.endpoint.signer()
    requests = []
    for begin in range(0, len(keys), BATCH_KEYS):
        body = delete_body(keys[begin : begin + BATCH_KEYS])
        headers = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        head = signer.head("POST", f"/{bench.bucket}", {"delete": ""}, headers, len(body))
        requests.append(Request(head, body))
    watch = Watch(bench)
    watch.begin()
    outcome, answers = bench.generator.run_once_captured(requests, connections=1)
    row = row_of(name, outcome, watch)
    failed = sum(answer.count(b"<Error>") for _, answer in answers.values())
    return dataclasses.replace(row, errors={**row.errors, "keys": failed}) if failed else row


def delete_body(keys: list[str]) -> bytes:
    """The XML of DeleteObjects, quiet; the keys need no escaping."""
    listed = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>{listed}</Delete>'.encode()


def multipart_row(bench: Bench) -> Row:
    """Create, upload 8 parts of 8 MiB, complete, for several objects; one phase after the other, 4 connections.

    Rate and CPU are those of whole uploads over the three phases together, latencies those of a part.
    """
    name = "multipart 64 MiB @4"
    uploads = UPLOAD_CLIENTS * max(1, round(bench.seconds))
    object_bytes = PARTS * PART_BYTES
    if missing := disk_missing(bench, uploads * object_bytes):
        return Row(name=name, skipped=missing)
    path = [f"/{bench.bucket}/multipart/{bench.nonce}/{index:04d}" for index in range(uploads)]
    signer = bench.server.endpoint.signer()
    watch = Watch(bench)
    watch.begin()
    creates = [Request(signer.head("POST", key, {"uploads": ""}, None, 0)) for key in path]
    created, answers = bench.generator.run_once_captured(creates, connections=UPLOAD_CLIENTS)
    ids = [_upload_id(*answers.get(index, (0, b""))) for index in range(uploads)]
    parts = []
    for begin in range(0, uploads, UPLOAD_CLIENTS):  # as four clients would: each on its own upload
        for number in range(1, PARTS + 1):
            for index in range(begin, begin + UPLOAD_CLIENTS):
                query = {"partNumber": str(number), "uploadId": ids[index]}
                parts.append(Request(signer.head("PUT", path[index], query, None, PART_BYTES), pattern_bytes=PART_BYTES))
    sent = bench.generator.run(parts, connections=UPLOAD_CLIENTS)
    body = complete_body(hashlib.md5(pattern_body(PART_BYTES)).hexdigest())
    completes = [
        Request(signer.head("POST", key, {"uploadId": upload_id}, None, len(body)), body)
        for key, upload_id in zip(path, ids, strict=True)
    ]
    completed, results = bench.generator.run_once_captured(completes, connections=UPLOAD_CLIENTS)
    outcome = _together(sent, created, completed)
    whole = sum(b"<CompleteMultipartUploadResult" in answer for _, answer in results.values())
    row = row_of(name, outcome, watch, object_bytes=object_bytes, operations=whole)
    note = f"p50 of create {created.p50_ns / 1e6:.1f} ms, complete {completed.p50_ns / 1e6:.1f} ms; the columns show parts"
    errors = {**row.errors, "incomplete": uploads - whole} if whole < uploads else row.errors
    return dataclasses.replace(row, notes=(note, *row.notes), errors=errors)


def complete_body(etag: str) -> bytes:
    """The XML of CompleteMultipartUpload; all parts have the same bytes."""
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag></Part>" for number in range(1, PARTS + 1)
    )
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    return f'<CompleteMultipartUpload xmlns="{xmlns}">{listed}</CompleteMultipartUpload>'.encode()


def _upload_id(status: int, answer: bytes) -> str:
    found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer)
    if found is None:
        raise ControlFailed(f"CreateMultipartUpload answers {status}: {answer[-200:].decode('utf-8', 'replace')}")
    return found[1].decode()


def _together(parts: Outcome, *others: Outcome) -> Outcome:
    errors = dict(parts.errors)
    for other in others:
        for kind, number in other.errors.items():
            errors[kind] = errors.get(kind, 0) + number
    return dataclasses.replace(
        parts,
        errors=errors,
        seconds=parts.seconds + sum(other.seconds for other in others),
        cpu_seconds=parts.cpu_seconds + sum(other.cpu_seconds for other in others),
        first_error=parts.first_error or next((other.first_error for other in others if other.first_error), ""),
    )


# ---- objects that rows need beforehand -------------------------------------------------------------------------------


def puts(bench: Bench, keys: list[str], size: int) -> Iterator[Request]:
    """PUT requests of these keys, signed now."""
    signer = bench.server.endpoint.signer()
    for key in keys:
        yield Request(signer.head("PUT", f"/{bench.bucket}/{key}", None, None, size), pattern_bytes=size)


def write(bench: Bench, keys: list[str], size: int) -> list[str]:
    """Write objects, not measured; returns those that are there. Raises ``GeneratorFailed`` when none is."""
    bench.progress(f"  writing {len(keys)} objects of {size} bytes")
    # With Cassandra nodes on the same cores 64 at once may time out, and a row without its objects is none.
    many = 64 if bench.server.metadata is None else 16
    clients = many if size <= SIZES["64 KiB"] else 4
    outcome = bench.generator.run(puts(bench, keys, size), connections=clients)
    if outcome.error_count:
        raise GeneratorFailed(f"objects could not be written: {outcome.errors} {outcome.first_error[:300]}")
    return keys


def seed(bench: Bench, size: int) -> list[str]:
    """Keys of the objects to read, written at the first call; the first one is read back and compared."""
    if size not in bench.seeded:
        count = max(4, READ_SETS[size] // (8 if bench.quick else 1))
        keys = write(bench, [f"get/{bench.nonce}/{size}/{index:05d}" for index in range(count)], size)
        if bench.server.endpoint.expect("GET", f"/{bench.bucket}/{keys[0]}") != pattern_body(size):
            raise ControlFailed(f"an object of {size} bytes reads back differently")
        bench.seeded[size] = keys
    return bench.seeded[size]


def disk_missing(bench: Bench, object_bytes: int) -> str:
    """Why there is not enough disk for so many bytes of objects, or an empty string."""
    needed = int(object_bytes * DISK_FACTOR) + DISK_SPARE_BYTES if object_bytes else 0
    free = shutil.disk_usage(bench.workdir).free
    return f"needs {needed / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free" if free < needed else ""
