"""duplicity: encrypted full and incremental backups, by boto3. No departures from the defaults."""

import shutil

import pytest

pytestmark = pytest.mark.slow_clients


def test_duplicity(client, bucket, samples, tmp_path, same_trees, keys_of):
    client("gnupg")
    installed = client("duplicity")
    source, url = tmp_path / "source", f"boto3+s3://{bucket}/backup é"
    shutil.copytree(samples, source)

    def duplicity(*arguments, **options):
        environment = {"PASSPHRASE": "of the tests", "AWS_ENDPOINT_URL": installed.endpoint}
        return installed.run("duplicity", *arguments, **environment, **options)

    duplicity("full", source, url)
    (source / "plain.txt").write_bytes(b"changed")
    (source / "deep" / "one.bin").unlink()
    (source / "new").write_bytes(b"new")
    duplicity("incremental", source, url)
    told = duplicity("collection-status", url)
    assert "Number of contained backup sets: 2" in told
    assert "deep/er/two words.bin" in duplicity("list-current-files", url)
    duplicity("verify", "--compare-data", url, source)
    # On another machine: nothing is left of the local archive.
    shutil.rmtree(installed.home / ".cache" / "duplicity")
    duplicity("restore", url, tmp_path / "now")
    same_trees(source, tmp_path / "now")
    duplicity("restore", "--path-to-restore", "deep/er", url, tmp_path / "part")
    same_trees(source / "deep" / "er", tmp_path / "part")
    before = keys_of(bucket)
    duplicity("full", source, url)
    duplicity("remove-all-but-n-full", "1", "--force", url)
    assert not {*before} & {*keys_of(bucket)}
    duplicity("cleanup", "--force", url)
    duplicity("verify", "--compare-data", url, source)
