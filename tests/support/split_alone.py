"""A process that splits the first range of a bucket once, as maintenance does: beside the processes that serve.

    split_alone.py HOST,HOST KEYSPACE BUCKET BUCKET_ID_HEX [ROWS_PER_SECOND]

Prints one line of JSON: seconds in all and for the place, differences, rows of each child.
"""

import asyncio
import json
import secrets
import sys
import time

import uvloop
from cassandra_parts import session_in
from cassandra_splits import SMALL, Splitting

from dolmen.gateway.metadata.cassandra.split import SplitSettings
from dolmen.gateway.metadata.records import BucketRecord


async def split(contact_points, keyspace, name, bucket_id):
    bucket = BucketRecord(name=name, bucket_id=bucket_id, owner="1" * 12, region="us-east-1", created_us=1)
    async with session_in(contact_points, keyspace) as cql:
        splitting = Splitting(cql, secrets.token_hex(4), SplitSettings(), SMALL)
        began = time.perf_counter()
        proposed = await splitting.split_at(bucket)
        found_seconds = time.perf_counter() - began
        await splitting.splitter.run(proposed)
        seconds = time.perf_counter() - began
    counts = [count.rows for count in proposed.counts.values()]
    return {"seconds": seconds, "found_seconds": found_seconds, "differences": proposed.differences, "rows": counts}


async def split_in_a_process(contact_points, keyspace, bucket):
    """From a test: what ``split`` tells."""
    arguments = [",".join(contact_points), keyspace, bucket.name, bucket.bucket_id.hex()]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "split_alone", *arguments, cwd=__file__.rsplit("/", 1)[0], stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(told.splitlines()[-1])


if __name__ == "__main__":
    _, points, keyspace_name, bucket_name, bucket_hex = sys.argv
    print(json.dumps(uvloop.run(split(points.split(","), keyspace_name, bucket_name, bytes.fromhex(bucket_hex)))))
