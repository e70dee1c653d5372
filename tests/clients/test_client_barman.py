"""barman-cloud: archives and backs up a PostgreSQL into the store, restores it, removes what is old. All by default settings.

The commands run as whoever runs the tests: the database's user may not be allowed to read their environment. PostgreSQL therefore
archives into a directory, and the WAL files travel from there; after the backup they are all that recovery has.
"""

import json
import shutil

import pytest
from postgresql import USER, Cluster

pytestmark = pytest.mark.slow_clients


@pytest.fixture
def cluster(client):
    initdb = client("postgresql").program
    with Cluster(initdb.parent) as made:
        (made.directory / "wal").mkdir()
        made.configure(archive_mode="on", archive_command=f"cp %p {made.directory}/wal/%f", max_wal_senders="3")
        made.give(made.directory)
        made.start()
        yield made


@pytest.fixture
def barman(client, bucket, cluster):
    """``barman("wal-archive", ..., last=...)``: options first, then the bucket and the server, then ``last``."""
    installed = client("barman")

    def run(command, *options, last=()):
        where = ("--endpoint-url", installed.endpoint, *options, f"s3://{bucket}/barman", "main")
        # Its processes talk through sockets in TMPDIR, whose paths may not be as long as pytest's.
        return installed.run(f"barman-cloud-{command}", *where, *last, TMPDIR=str(cluster.directory))

    return run


def test_barman_backs_up_and_restores_with_archived_wal(barman, cluster, bucket, keys_of):
    digest = "SELECT count(*), md5(string_agg(text, ',' ORDER BY number)) FROM made"
    connection = ("-h", cluster.directory, "-p", cluster.port, "-U", USER)
    barman("check-wal-archive")
    cluster.sql("CREATE TABLE made AS SELECT i AS number, md5(i::text) AS text FROM generate_series(1, 100000) i")
    barman("backup", *connection, "--immediate-checkpoint", "--gzip", "--tag", "colour,blue")
    cluster.sql("UPDATE made SET text = 'changed' WHERE number % 100 = 0")
    expected = cluster.sql(digest)
    cluster.stop()  # archives the rest, too
    archived = sorted(path for path in (cluster.directory / "wal").iterdir() if "." not in path.name)
    for path in archived:
        barman("wal-archive", "--gzip", last=(path,))
    told = json.loads(barman("backup-list", "--format", "json"))["backups_list"]
    assert [found["status"] for found in told] == ["DONE"]
    backup = told[0]["backup_id"]
    _restore(barman, cluster, backup, archived)
    assert cluster.sql(digest) == expected
    assert cluster.sql("SELECT count(*) FROM made WHERE text = 'changed'") == "1000"
    barman("backup-delete", "--backup-id", backup)
    assert json.loads(barman("backup-list", "--format", "json"))["backups_list"] == []
    assert keys_of(bucket, "barman/main/base/") == []


def _restore(barman, cluster, backup, archived):
    shutil.rmtree(cluster.data)
    barman("restore", last=(backup, cluster.data))
    found = cluster.directory / "found"
    found.mkdir()
    for path in archived:
        barman("wal-restore", last=(path.name, found / path.name))
        assert (found / path.name).read_bytes() == path.read_bytes(), path.name
    cluster.configure(restore_command=f"cp {found}/%f %p", archive_mode="off", recovery_target_timeline="latest")
    (cluster.data / "recovery.signal").touch()
    cluster.data.chmod(0o700)
    cluster.give(cluster.directory)
    cluster.start()
    wait = "DO $$ BEGIN FOR i IN 1..600 LOOP EXIT WHEN NOT pg_is_in_recovery(); PERFORM pg_sleep(0.1); END LOOP; END $$"
    cluster.sql(wait)
