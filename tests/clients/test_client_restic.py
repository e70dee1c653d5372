"""restic: backups through minio-go, with signed chunks, tail ranges and lock objects."""

import pytest

pytestmark = pytest.mark.clients


def test_restic_backs_up_checks_restores_and_prunes(client, new_bucket, samples, tmp_path, same_trees):
    installed = client("restic")
    environment = {"RESTIC_REPOSITORY": f"s3:{installed.endpoint}/{new_bucket}/sub", "RESTIC_PASSWORD": "of the tests"}

    def restic(*arguments):
        return installed.run("restic", *arguments, **environment)

    restic("init")
    restic("backup", samples)
    extra = tmp_path / "extra"
    extra.write_bytes(b"second")
    restic("backup", extra)
    assert "2 snapshots" in restic("snapshots")
    restic("check", "--read-data")
    restic("restore", "latest", "--path", samples, "--target", tmp_path / "down")
    same_trees(samples, tmp_path / "down" / samples.relative_to("/"))
    restic("forget", "--keep-last", "1", "--group-by", "", "--prune")
    assert "1 snapshots" in restic("snapshots")
    restic("check", "--read-data")
    assert restic("list", "locks") == ""
