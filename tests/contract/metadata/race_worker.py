"""One of several processes on one metadata file; told by lines on stdin what to do, tells outcomes on stdout.

    put KEY N / complete KEY N / bucket NAME N    N racers at once: prints {"winners": [etag or id], "refused": count}
    stream PREFIX N                               N writers without end: prints each acknowledged key
"""

import asyncio
import json
import os
import sys

from dolmen.core.clock import SystemClock
from dolmen.core.layout import ObjectLayout, Run, Segment
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import (
    NO_CONDITION,
    Attributes,
    BucketRecord,
    NewVersion,
    PartRecord,
    UploadRecord,
    WriteCondition,
)
from dolmen.gateway.metadata.store import BucketExists, PreconditionFailed
from dolmen.gateway.metadata.versions import new_upload_id

NEW = WriteCondition(if_none_match=("*",))
OWNER = "1" * 12
CLOCK = SystemClock()


def layout_of():
    return ObjectLayout((Segment(10, 4, 2, 1 << 20, 1 << 17, (Run(1, os.urandom(16), 0, 1),), bytes(4)),))


def version_of(etag):
    return NewVersion(size=10, etag=etag, owner=OWNER, attributes=Attributes(), layout=layout_of())


async def put(store, bucket, key):
    etag = os.urandom(16).hex()
    await store.commit(await store.begin(bucket, key), version_of(etag), NEW)
    return etag


async def complete(store, bucket, key):
    etag = os.urandom(16).hex()
    upload = UploadRecord(
        bucket_id=bucket.bucket_id,
        key=key,
        upload_id=new_upload_id(CLOCK.now_us()),
        initiated_us=1,
        owner=OWNER,
        initiator=OWNER,
        attributes=Attributes(),
    )
    await store.create_upload(upload)
    part = PartRecord(number=1, size=10, etag=etag, mtime_us=1, checksum=None, layout=layout_of())
    await store.put_part(upload, part)
    await store.complete_upload(await store.begin(bucket, key), upload, [part], version_of(etag), NEW)
    return etag


async def create(store, _bucket, name):
    bucket_id = os.urandom(16)
    record = BucketRecord(name=name.decode(), bucket_id=bucket_id, owner=OWNER, region="r", created_us=1)
    await store.create_bucket(record)
    return bucket_id.hex()


async def stream(store, bucket, prefix, writers):
    async def write(number):
        count = 0
        while True:
            key = b"%s/%d/%d" % (prefix, number, count)
            await store.commit(await store.begin(bucket, key), version_of("e" * 32), NO_CONDITION)
            os.write(1, key + b"\n")
            count += 1

    await asyncio.gather(*(write(number) for number in range(writers)))


async def main(path):
    store = EmbeddedStore(path, CLOCK, garbage_grace_seconds=0)
    await store.open()
    bucket = await store.get_bucket("bucket")
    loop = asyncio.get_running_loop()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        kind, key, racers = line.split()
        if kind == "stream":
            await stream(store, bucket, key.encode(), int(racers))
        racer = {"put": put, "complete": complete, "bucket": create}[kind]
        works = (racer(store, bucket, key.encode()) for _ in range(int(racers)))
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        refused = [o for o in outcomes if isinstance(o, PreconditionFailed | BucketExists)]
        winners = [o for o in outcomes if isinstance(o, str)]
        others = [repr(o) for o in outcomes if o not in refused and o not in winners]
        print(json.dumps({"winners": winners, "refused": len(refused), "others": others}), flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
