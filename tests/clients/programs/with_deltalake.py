"""delta-rs. Usage: with_deltalake.py STEP ENDPOINT BUCKET DIRECTORY; a step is a function of this file.

Departure from the defaults: AWS_ALLOW_HTTP, for a local endpoint without TLS. Commits are conditional PUTs, its default.
"""

import concurrent.futures
import pathlib
import sys

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

WRITERS = 8


def rows(start, stop):
    numbers = range(start, stop)
    text = [str(number) for number in numbers]
    return pa.table({"number": pa.array(numbers), "part": [f"p {number % 3}" for number in numbers], "text": text})


def select(table, what):
    """The first column. delta-rs's own reader: pyarrow's aborts at exit when it reads through delta-rs's file system."""
    return pa.table(QueryBuilder().register("t", table).execute(f"SELECT {what}").read_all())[0].to_pylist()


def numbers(table):
    return select(table, "number FROM t ORDER BY number")


def refused(kind, call, *arguments):
    try:
        call(*arguments)
    except kind:
        return
    raise AssertionError(f"{call} {arguments} was expected to raise {kind}")


def life(options, bucket, work):
    at = f"s3://{bucket}/tables/one é"
    write_deltalake(at, rows(0, 1000), partition_by=["part"], storage_options=options)
    write_deltalake(at, rows(1000, 1500), mode="append", storage_options=options)
    table = DeltaTable(at, storage_options=options)
    assert (table.version(), numbers(table)) == (1, list(range(1500)))
    table.delete("number >= 1400")
    table.update(predicate="number < 10", updates={"text": "'changed'"})
    told = (
        table.merge(rows(1390, 1410), predicate="t.number = s.number", source_alias="s", target_alias="t")
        .when_matched_update_all()
        .when_not_matched_insert_all()
        .execute()
    )
    assert (told["num_target_rows_updated"], told["num_target_rows_inserted"]) == (10, 10)
    assert numbers(table) == list(range(1410))
    table.optimize.compact()
    table.create_checkpoint()
    before = len(table.file_uris())
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    again = DeltaTable(at, storage_options=options)
    assert (numbers(again), len(again.file_uris())) == (list(range(1410)), before)
    assert select(again, "count(*) FROM t WHERE part = 'p 1' AND text = 'changed'") == [3]
    write_deltalake(at, rows(0, 3), mode="overwrite", storage_options=options)
    again.update_incremental()
    assert numbers(again) == [0, 1, 2]
    assert len(again.history()) == again.version() + 1


def conflicts(options, bucket, work):
    at = f"s3://{bucket}/table"
    write_deltalake(at, rows(0, 100), storage_options=options)
    left, right = DeltaTable(at, storage_options=options), DeltaTable(at, storage_options=options)
    left.delete("number < 50")
    refused(CommitFailedError, right.delete, "number < 60")  # from what it has read, the files that are gone
    # Appends do not conflict: whoever finds its version taken commits the next one.
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        jobs = [
            pool.submit(write_deltalake, at, rows(1000 * number, 1000 * number + 10), mode="append", storage_options=options)
            for number in range(1, WRITERS + 1)
        ]
        for job in jobs:
            job.result()
    table = DeltaTable(at, storage_options=options)
    assert table.version() == 1 + WRITERS
    added = [1000 * number + more for number in range(1, WRITERS + 1) for more in range(10)]
    assert numbers(table) == [*range(50, 100), *added]


if __name__ == "__main__":
    step, endpoint, *rest, directory = sys.argv[1:]
    globals()[step]({"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}, *rest, pathlib.Path(directory))
