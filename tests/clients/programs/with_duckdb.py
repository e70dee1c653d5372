"""DuckDB with its extension httpfs. Usage: with_duckdb.py STEP ENDPOINT BUCKET DIRECTORY; a step is a function of this file.

Departures from the defaults: URL_STYLE 'path' and USE_SSL false, for a local endpoint; the extension comes from a wheel,
as DuckDB would download it otherwise.
"""

import os
import pathlib
import sys

import duckdb
import duckdb_extension_httpfs

WHEEL = pathlib.Path(duckdb_extension_httpfs.__file__).parent
EXTENSION = WHEEL / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"


def connect(endpoint):
    connection = duckdb.connect()
    connection.execute(f"LOAD '{EXTENSION}'")
    settings = {
        "KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
        "SECRET": os.environ["AWS_SECRET_ACCESS_KEY"],
        "REGION": os.environ["AWS_REGION"],
        "ENDPOINT": endpoint.removeprefix("http://"),
        "URL_STYLE": "path",
    }
    given = ", ".join(f"{name} '{value}'" for name, value in settings.items())
    connection.execute(f"CREATE SECRET (TYPE s3, {given}, USE_SSL false)")
    return connection


def failure(kind, call, *arguments):
    try:
        call(*arguments)
    except kind as error:
        return str(error)
    raise AssertionError(f"{call} {arguments} was expected to raise {kind}")


def parquet(connection, bucket, work):
    connection.execute(
        "CREATE TABLE made AS SELECT i AS number, 'p ' || (i % 5) AS part, md5(i::VARCHAR) AS text FROM range(300000) AS t(i)"
    )
    connection.execute(f"COPY made TO 's3://{bucket}/one é+.parquet'")
    same = f"SELECT count(*) FROM (FROM made EXCEPT FROM 's3://{bucket}/one é+.parquet')"
    assert connection.sql(same).fetchone() == (0,)
    # Footer and the column's row groups only.
    total = connection.sql(f"SELECT sum(number), count(*) FROM 's3://{bucket}/one é+.parquet' WHERE number >= 299000").fetchone()
    assert total == (sum(range(299_000, 300_000)), 1000)
    connection.execute(f"COPY made TO 's3://{bucket}/set' (FORMAT parquet, PARTITION_BY part)")
    names = connection.sql(f"FROM glob('s3://{bucket}/set/**')").fetchall()
    assert len({name.split("/")[4] for (name,) in names}) == 5, names
    read = f"read_parquet('s3://{bucket}/set/*/*.parquet', hive_partitioning = true)"
    assert connection.sql(f"SELECT count(*), min(number) FROM {read} WHERE part = 'p 3'").fetchone() == (60_000, 3)
    assert connection.sql(f"SELECT count(*) FROM (FROM made EXCEPT SELECT number, part, text FROM {read})").fetchone() == (0,)


def files(connection, bucket, work):
    # 100 MB of text: an upload in parts.
    connection.execute(
        "CREATE TABLE big AS SELECT i AS number, repeat(md5(i::VARCHAR), 10) AS text FROM range(300000) AS t(i)"
    )
    connection.execute(f"COPY big TO 's3://{bucket}/big.csv' (HEADER)")
    assert connection.sql(f"SELECT count(*) FROM (FROM big EXCEPT FROM 's3://{bucket}/big.csv')").fetchone() == (0,)
    connection.execute(f"COPY (FROM big LIMIT 100) TO 's3://{bucket}/some.json.gz'")
    assert connection.sql(f"SELECT sum(number) FROM 's3://{bucket}/some.json.gz'").fetchone() == (sum(range(100)),)
    sizes = connection.sql(f"SELECT filename, size FROM read_blob('s3://{bucket}/*.gz')").fetchall()
    assert [name for name, _ in sizes] == [f"s3://{bucket}/some.json.gz"]
    told = failure(duckdb.HTTPException, connection.sql, f"FROM 's3://{bucket}/missing.csv'")
    assert "404" in told, told
    # A database of its own, queried where it is.
    local = work / "local.duckdb"
    with duckdb.connect(str(local)) as other:
        other.execute("CREATE TABLE t AS SELECT i FROM range(1000) AS t(i)")
    connection.execute(f"COPY (SELECT content FROM read_blob('{local}')) TO 's3://{bucket}/remote.duckdb' (FORMAT blob)")
    connection.execute(f"ATTACH 's3://{bucket}/remote.duckdb' AS remote (READ_ONLY)")
    assert connection.sql("SELECT sum(i) FROM remote.t").fetchone() == (sum(range(1000)),)


if __name__ == "__main__":
    step, endpoint, *rest, directory = sys.argv[1:]
    globals()[step](connect(endpoint), *rest, pathlib.Path(directory))
