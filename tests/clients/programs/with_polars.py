"""Polars, whose Rust object_store reads and writes S3. Usage: with_polars.py STEP ENDPOINT BUCKET DIRECTORY.

Departure from the defaults: aws_allow_http, for a local endpoint without TLS.
"""

import pathlib
import sys

import polars as pl
from polars.testing import assert_frame_equal


def made(rows=300_000):
    return pl.select(number=pl.int_range(rows)).with_columns(
        part=pl.format("p {}", pl.col("number") % 5), text=pl.col("number").hash(7).cast(pl.String)
    )


def frames(options, bucket, work):
    rows = made()
    at = f"s3://{bucket}/dir"
    rows.write_parquet(f"{at}/one é+.parquet", storage_options=options)
    assert_frame_equal(pl.read_parquet(f"{at}/one é+.parquet", storage_options=options), rows)
    lazy = pl.scan_parquet(f"{at}/*.parquet", storage_options=options)
    assert lazy.filter(pl.col("number") >= 299_000).select(pl.col("number").sum()).collect().item() == sum(range(299_000, 300_000))
    rows.lazy().sink_csv(f"{at}/all.csv", storage_options=options)
    assert_frame_equal(pl.scan_csv(f"{at}/all.csv", storage_options=options, schema=rows.schema).collect(), rows)
    rows.head(100).lazy().sink_ndjson(f"{at}/some.ndjson", storage_options=options)
    assert_frame_equal(pl.scan_ndjson(f"{at}/some.ndjson", storage_options=options, schema=rows.schema).collect(), rows.head(100))
    rows.lazy().sink_ipc(f"{at}/all.arrow", storage_options=options)
    assert_frame_equal(pl.scan_ipc(f"{at}/all.arrow", storage_options=options).collect(), rows)
    try:
        pl.read_parquet(f"{at}/missing.parquet", storage_options=options)
    except FileNotFoundError:
        return
    raise AssertionError("a missing file was read")


def partitions(options, bucket, work):
    rows = made()
    at = f"s3://{bucket}/set/"
    rows.lazy().sink_parquet(pl.PartitionBy(at, key="part"), storage_options=options, mkdir=True)
    read = pl.scan_parquet(at, storage_options=options, hive_partitioning=True)
    assert read.filter(pl.col("part") == "p 3").select(pl.len()).collect().item() == 60_000
    assert_frame_equal(read.select(rows.columns).sort("number").collect(), rows)
    # 100 MB: an upload in parts.
    many = made(2_000_000).with_columns(more=pl.col("number").hash(8), again=pl.col("number").hash(9))
    many.lazy().sink_parquet(f"s3://{bucket}/big.parquet", storage_options=options, compression="uncompressed")
    found = pl.scan_parquet(f"s3://{bucket}/big.parquet", storage_options=options)
    assert found.select(pl.col("again").max()).collect().item() == many["again"].max()


if __name__ == "__main__":
    step, endpoint, *rest, directory = sys.argv[1:]
    globals()[step]({"aws_endpoint_url": endpoint, "aws_allow_http": "true"}, *rest, pathlib.Path(directory))
