"""Debian's pgBackRest: archives and backs up a PostgreSQL into the store, restores it to a point, expires, verifies.

Departures from the defaults: path style and the address of a local endpoint. It speaks TLS only: a front of the test's own
is before the store, its certificate verified.
"""

import json

import pytest
from dev_server import REGION, ROOT
from postgresql import Cluster
from tls_front import HOST, TlsFront

pytestmark = pytest.mark.slow_clients
CONFIGURATION = """
[global]
repo1-type=s3
repo1-path=/backups
repo1-s3-bucket={bucket}
repo1-s3-endpoint={host}
repo1-s3-region={region}
repo1-s3-uri-style=path
repo1-storage-host=127.0.0.1
repo1-storage-port={port}
repo1-storage-ca-file={certificate}
repo1-retention-full=1
start-fast=y
log-level-file=off
lock-path={directory}/lock
spool-path={directory}/spool

[main]
pg1-path={data}
pg1-port={pg_port}
pg1-socket-path={directory}
"""


@pytest.fixture
def cluster(client):
    initdb = client("postgresql").program
    with Cluster(initdb.parent) as made:
        yield made


@pytest.fixture
def pgbackrest(client, server, bucket, cluster):
    """``pgbackrest("backup", ...)`` as the user of the database."""
    program = client("pgbackrest").program
    with TlsFront(cluster.directory, server.port) as front:
        configuration = cluster.directory / "pgbackrest.conf"
        configuration.write_text(
            CONFIGURATION.format(
                bucket=bucket,
                host=HOST,
                region=REGION,
                port=front.port,
                certificate=front.certificate,
                directory=cluster.directory,
                data=cluster.data,
                pg_port=cluster.port,
            )
        )
        cluster.environment |= {"PGBACKREST_REPO1_S3_KEY": ROOT[0], "PGBACKREST_REPO1_S3_KEY_SECRET": ROOT[1]}
        call = (program, f"--config={configuration}", "--stanza=main")
        command = " ".join(map(str, call))
        cluster.configure(archive_mode="on", archive_command=f"{command} archive-push %p", max_wal_senders="3")
        cluster.give(cluster.directory)
        cluster.start()
        yield lambda *arguments: cluster.run(*call, *arguments)


def test_pgbackrest_backs_up_restores_and_expires(pgbackrest, cluster, bucket, keys_of):
    digest = "SELECT count(*), md5(string_agg(text, ',' ORDER BY number)) FROM made"
    pgbackrest("stanza-create")
    pgbackrest("check")
    text = "md5(i::text) || repeat('x', 200)"
    cluster.sql(f"CREATE TABLE made AS SELECT i AS number, {text} AS text FROM generate_series(1, 50000) i")
    pgbackrest("--type=full", "backup")
    cluster.sql("INSERT INTO made SELECT i, md5(i::text) FROM generate_series(50001, 60000) i")
    pgbackrest("--type=incr", "backup")
    cluster.sql("UPDATE made SET text = 'changed' WHERE number % 100 = 0")
    expected = cluster.sql(digest)
    cluster.sql("SELECT pg_create_restore_point('before')")
    cluster.sql("DROP TABLE made")
    cluster.sql("SELECT pg_switch_wal()")
    cluster.stop()
    pgbackrest("--delta", "--type=name", "--target=before", "--target-action=promote", "restore")
    cluster.start()
    assert cluster.sql(digest) == expected
    assert cluster.sql("SELECT count(*) FROM made WHERE text = 'changed'") == "600"
    told = json.loads(pgbackrest("--output=json", "info"))[0]
    assert [found["type"] for found in told["backup"]] == ["full", "incr"]
    pgbackrest("verify")
    first = told["backup"][0]["label"]
    assert keys_of(bucket, f"backups/backup/main/{first}/")
    _wait_until_promoted(cluster)
    pgbackrest("--type=full", "backup")
    assert [found["type"] for found in json.loads(pgbackrest("--output=json", "info"))[0]["backup"]] == ["full"]
    assert keys_of(bucket, f"backups/backup/main/{first}/") == []
    cluster.stop()
    pgbackrest("stop")
    pgbackrest("--force", "stanza-delete")
    assert keys_of(bucket, "backups/backup/main/") == []


def _wait_until_promoted(cluster):
    cluster.run("pg_ctl", "-D", cluster.data, "-w", "status")
    wait = "DO $$ BEGIN FOR i IN 1..600 LOOP EXIT WHEN NOT pg_is_in_recovery(); PERFORM pg_sleep(0.1); END LOOP; END $$"
    cluster.sql(wait)
    assert cluster.sql("SELECT pg_is_in_recovery()") == "f"
