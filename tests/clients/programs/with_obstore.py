"""obstore, the Rust object_store as such. Usage: with_obstore.py STEP ENDPOINT BUCKET DIRECTORY; a step is a function of this file.

Departure from the defaults: allow_http, for a local endpoint without TLS; copy_if_not_exists of S3 is off unless it is told how.
"""

import datetime
import pathlib
import random
import sys
import urllib.request

import obstore
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import S3Store

# It has no empty segments and no dots in paths.
KEYS = ["plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀", "a", "a/b", "k" * 1000]
BIG = random.Random(5).randbytes(20 * 1024 * 1024)


def refused(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{call} {arguments} was expected to raise {kind}")


def listed(store, **options):
    return [found["path"] for page in obstore.list(store, **options) for found in page]


def objects(store, endpoint, bucket, work):
    for number, key in enumerate(KEYS):
        told = store.put(key, key.encode() * number)
        assert told["e_tag"] and told["version"] is None
    for number, key in enumerate(KEYS):
        assert bytes(store.get(key).bytes()) == key.encode() * number, key
        assert store.head(key)["size"] == len(key.encode()) * number, key
    assert listed(store) == sorted(KEYS, key=str.encode)
    assert listed(store, offset="plain") == [key for key in sorted(KEYS, key=str.encode) if key > "plain"]
    level = store.list_with_delimiter()
    assert level["common_prefixes"] == ["a"]
    assert [found["path"] for found in level["objects"]] == sorted({*KEYS} - {"a/b"}, key=str.encode)
    store.put("big", BIG)
    assert bytes(store.get_range("big", start=100, end=200)) == BIG[100:200]
    assert [bytes(part) for part in store.get_ranges("big", starts=[0, 9_000_000], ends=[10, 9_000_010])] == [
        *(BIG[:10], BIG[9_000_000:9_000_010])
    ]
    tail = store.get("big", options={"range": {"suffix": 10}})
    assert (bytes(tail.bytes()), tail.meta["size"]) == (BIG[-10:], len(BIG))
    with obstore.open_writer(store, "parts é+", attributes={"Content-Type": "text/x-odd", "colour": "blue"}) as writer:
        for at in range(0, len(BIG), 1_000_000):
            writer.write(BIG[at : at + 1_000_000])
    got = store.get("parts é+")
    assert (got.attributes["Content-Type"], got.attributes["colour"]) == ("text/x-odd", "blue")
    assert bytes(got.bytes()) == BIG
    store.copy("parts é+", "copy")
    store.rename("copy", "renamed")
    assert bytes(store.get("renamed").bytes()) == BIG
    refused(FileNotFoundError, store.get, "copy")
    refused(FileNotFoundError, store.head, "missing")
    store.delete([*KEYS, "big", "parts é+", "renamed"])
    assert listed(store) == []


def conditions(store, endpoint, bucket, work):
    first = store.put("k", b"1", mode="create")
    refused(AlreadyExistsError, store.put, "k", b"2", mode="create")
    store.put("k", b"2", mode={"e_tag": first["e_tag"]})
    refused(PreconditionError, store.put, "k", b"3", mode={"e_tag": first["e_tag"]})
    meta = store.head("k")
    refused(PreconditionError, store.get, "k", options={"if_match": first["e_tag"]})
    refused(NotModifiedError, store.get, "k", options={"if_none_match": meta["e_tag"]})
    refused(NotModifiedError, store.get, "k", options={"if_modified_since": meta["last_modified"]})
    store.copy("k", "copy", overwrite=False)
    assert bytes(store.get("copy").bytes()) == b"2"
    refused(AlreadyExistsError, store.copy, "k", "copy", overwrite=False)
    store.put("tagged", b"x", tags={"colour": "blue"})


def signed(store, endpoint, bucket, work):
    key = "a b+ü/€"
    hour = datetime.timedelta(hours=1)
    put = urllib.request.Request(obstore.sign(store, "PUT", key, hour), data=b"signed", method="PUT")
    with urllib.request.urlopen(put, timeout=60) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(obstore.sign(store, "GET", key, hour), timeout=60) as answer:
        assert answer.read() == b"signed"


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    options = {"endpoint": endpoint, "client_options": {"allow_http": True}, "copy_if_not_exists": "multipart"}
    globals()[step](S3Store(bucket, **options), endpoint, bucket, pathlib.Path(directory))
