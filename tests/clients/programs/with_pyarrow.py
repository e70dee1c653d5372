"""pyarrow's S3FileSystem (AWS SDK for C++) with default settings. Usage: with_pyarrow.py STEP ENDPOINT BUCKET DIRECTORY."""

import pathlib
import random
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

BIG = random.Random(3).randbytes(25 * 1024 * 1024)
NAMES = ["plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀"]


def refused(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"{call} {arguments} was expected to raise {kind}")


def read(store, path):
    with store.open_input_stream(path) as stream:
        return stream.read()


def write(store, path, body):
    with store.open_output_stream(path) as stream:
        stream.write(body)


def found(store, path):
    selected = store.get_file_info(fs.FileSelector(path, recursive=True))
    return sorted((info.path.removeprefix(f"{path}/"), info.type.name, info.size) for info in selected)


def files(store, bucket, work):
    store.create_dir(f"{bucket}/dir/empty")
    for name in NAMES:
        write(store, f"{bucket}/dir/{name}", name.encode())
        assert read(store, f"{bucket}/dir/{name}") == name.encode(), name
    expected = [(name, "File", len(name.encode())) for name in NAMES] + [("empty", "Directory", None)]
    assert found(store, f"{bucket}/dir") == sorted(expected)
    # A key and keys below it: no file system has that, S3 does.
    write(store, f"{bucket}/a", b"file")
    write(store, f"{bucket}/a/b", b"below")
    assert (read(store, f"{bucket}/a"), read(store, f"{bucket}/a/b")) == (b"file", b"below")
    write(store, f"{bucket}/big", BIG)
    with store.open_input_file(f"{bucket}/big") as stream:
        assert stream.size() == len(BIG)
        assert stream.read_at(1000, 7_000_000) == BIG[7_000_000:7_001_000]
        stream.seek(len(BIG) - 10)
        assert stream.read() == BIG[-10:]
    store.copy_file(f"{bucket}/big", f"{bucket}/dir/copy")
    store.move(f"{bucket}/dir/copy", f"{bucket}/dir/moved +")
    assert read(store, f"{bucket}/dir/moved +") == BIG
    assert store.get_file_info(f"{bucket}/dir/copy").type == fs.FileType.NotFound
    assert store.get_file_info(f"{bucket}/dir").type == fs.FileType.Directory
    refused(FileNotFoundError, store.open_input_file, f"{bucket}/missing")
    refused(FileNotFoundError, store.delete_file, f"{bucket}/missing")
    store.delete_dir(f"{bucket}/dir")
    assert store.get_file_info(f"{bucket}/dir").type == fs.FileType.NotFound
    store.delete_dir_contents(bucket)
    assert found(store, bucket) == []


def table():
    made = random.Random(4)
    rows = 200_000
    return pa.table(
        {
            "number": pa.array(range(rows)),
            "part": pa.array([f"p {number % 5}" for number in range(rows)]),
            "value": pa.array([made.random() for _ in range(rows)]),
            "text": pa.array([f"{made.getrandbits(80):x}" for _ in range(rows)]),
        }
    )


def dataset(store, bucket, work):
    rows = table()
    pq.write_table(rows, f"{bucket}/one.parquet", filesystem=store)
    assert pq.read_table(f"{bucket}/one.parquet", filesystem=store).equals(rows)
    assert pq.ParquetFile(f"{bucket}/one.parquet", filesystem=store).metadata.num_rows == rows.num_rows
    ds.write_dataset(rows, f"{bucket}/set", filesystem=store, format="parquet", partitioning=["part"], partitioning_flavor="hive")
    whole = ds.dataset(f"{bucket}/set", filesystem=store, partitioning="hive")
    assert len(whole.files) == 5
    some = whole.to_table(filter=(pc.field("part") == "p 3") & (pc.field("number") < 1000), columns=["number"])
    assert sorted(some["number"].to_pylist()) == list(range(3, 1000, 5))
    again = whole.to_table(columns=rows.column_names).sort_by("number")
    assert again.cast(rows.schema).equals(rows)
    # The whole set again: what was there is deleted first.
    options = {"partitioning": ["part"], "partitioning_flavor": "hive", "existing_data_behavior": "delete_matching"}
    ds.write_dataset(rows.slice(0, 10), f"{bucket}/set", filesystem=store, format="parquet", **options)
    assert ds.dataset(f"{bucket}/set", filesystem=store, partitioning="hive").count_rows() == 10


if __name__ == "__main__":
    step, endpoint, *rest, directory = sys.argv[1:]
    globals()[step](fs.S3FileSystem(endpoint_override=endpoint), *rest, pathlib.Path(directory))
