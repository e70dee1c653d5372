"""PyIceberg: a catalog in SQLite, a warehouse in S3. Usage: with_pyiceberg.py STEP ENDPOINT BUCKET DIRECTORY.

No departure from the defaults. Iceberg's conflicts are decided in the catalog; the store keeps the files of both.
"""

import os
import pathlib
import sys

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, ValidationException
from pyiceberg.expressions import EqualTo, GreaterThanOrEqual
from pyiceberg.transforms import IdentityTransform


def rows(start, stop):
    numbers = range(start, stop)
    return pa.table({"number": pa.array(numbers), "part": [f"p {number % 3}" for number in numbers]})


def numbers(table, **options):
    return sorted(table.scan(**options).to_arrow()["number"].to_pylist())


def life(catalog, bucket, work):
    catalog.create_namespace("space")
    table = catalog.create_table("space.one", schema=rows(0, 1).schema)
    with table.update_spec() as change:
        change.add_field("part", IdentityTransform(), "part")
    table.append(rows(0, 1000))
    first = table.current_snapshot().snapshot_id
    table.append(rows(1000, 1500))
    table.delete(GreaterThanOrEqual("number", 1400))
    assert numbers(table) == list(range(1400))
    assert numbers(table, snapshot_id=first) == list(range(1000))
    assert numbers(table, row_filter=EqualTo("part", "p 1")) == list(range(1, 1400, 3))
    with table.update_schema() as change:
        change.union_by_name(pa.schema([("more", pa.string())]))
    table.overwrite(rows(0, 3))
    again = catalog.load_table("space.one")
    found = again.scan().to_arrow().sort_by("number")
    assert found.to_pydict() == {"number": [0, 1, 2], "part": ["p 0", "p 1", "p 2"], "more": [None, None, None]}
    assert len(again.history()) >= 4
    catalog.purge_table("space.one")
    try:
        catalog.load_table("space.one")
    except NoSuchTableError:
        return
    raise AssertionError("the table is still there")


def conflicts(catalog, bucket, work):
    catalog.create_namespace("space")
    catalog.create_table("space.two", schema=rows(0, 1).schema).append(rows(0, 100))
    left, right = catalog.load_table("space.two"), catalog.load_table("space.two")
    left.delete(GreaterThanOrEqual("number", 50))
    try:
        right.delete(GreaterThanOrEqual("number", 40))
    except (CommitFailedException, ValidationException):
        pass
    else:
        raise AssertionError("both deletions of the same file were committed")
    right.refresh()
    right.delete(GreaterThanOrEqual("number", 40))
    assert numbers(catalog.load_table("space.two")) == list(range(40))


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    settings = {"uri": f"sqlite:///{directory}/catalog.db", "warehouse": f"s3://{bucket}/warehouse", "s3.endpoint": endpoint}
    settings["s3.region"] = os.environ["AWS_REGION"]  # without one it asks AWS where the bucket is
    globals()[step](SqlCatalog("tests", **settings), bucket, pathlib.Path(directory))
