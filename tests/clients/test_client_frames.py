"""What reads and writes tables as files: pyarrow, DuckDB, Polars. Each program tells its departures from the defaults."""

import pytest

pytestmark = pytest.mark.slow_clients


@pytest.mark.parametrize("step", ["files", "dataset"])
def test_pyarrow(client, bucket, step):
    client("pyarrow").step("with_pyarrow", step, bucket)


@pytest.mark.parametrize("step", ["parquet", "files"])
def test_duckdb(client, bucket, step):
    client("duckdb").step("with_duckdb", step, bucket)


@pytest.mark.parametrize("step", ["frames", "partitions"])
def test_polars(client, bucket, step):
    client("polars").step("with_polars", step, bucket)
