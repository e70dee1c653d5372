"""s5cmd with default settings."""

import json

import pytest

pytestmark = pytest.mark.clients


@pytest.fixture
def s5cmd(client):
    installed = client("s5cmd")
    return lambda *arguments, **options: installed.run(
        "s5cmd", *arguments, S3_ENDPOINT_URL=installed.endpoint, **options
    )


def test_s5cmd_copies_syncs_and_removes_trees(s5cmd, new_bucket, samples, tmp_path, same_trees, keys_of):
    url = f"s3://{new_bucket}"
    s5cmd("mb", url)
    assert new_bucket in s5cmd("ls")
    s5cmd("cp", f"{samples}/", f"{url}/t/")
    assert s5cmd("sync", f"{samples}/", f"{url}/t/") == ""
    assert [line.split(maxsplit=3)[3] for line in s5cmd("ls", f"{url}/*").splitlines()] == keys_of(new_bucket)
    assert "DIR  deep/" in s5cmd("ls", f"{url}/t/")
    s5cmd("cp", f"{url}/t/*", f"{tmp_path}/down/")
    same_trees(samples, tmp_path / "down")
    s5cmd("cp", f"{url}/t/*", f"{url}/u/")
    s5cmd("mv", f"{url}/u/*", f"{url}/v/")
    s5cmd("sync", f"{url}/v/*", f"{tmp_path}/again/")
    same_trees(samples, tmp_path / "again")
    s5cmd("rm", f"{url}/v/*")
    assert {key.split("/")[0] for key in keys_of(new_bucket)} == {"t"}
    s5cmd("rm", f"{url}/*")
    s5cmd("rb", url)


def test_s5cmd_multipart_heads_and_presigns(s5cmd, new_bucket, samples, tmp_path, fetch):
    url, big = f"s3://{new_bucket}", samples / "big.bin"
    s5cmd("mb", url)
    s5cmd("cp", "--part-size", "5", "--storage-class", "STANDARD_IA", big, f"{url}/big é+")
    head = json.loads(s5cmd("head", f"{url}/big é+"))
    assert (head["size"], head["storage_class"], head["etag"][-2:]) == (big.stat().st_size, "STANDARD_IA", "-4")
    s5cmd("cp", f"{url}/big é+", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == big.read_bytes()
    s5cmd("cp", samples / "plain.txt", f"{url}/a b+ü")
    assert fetch(s5cmd("presign", f"{url}/a b+ü")) == (samples / "plain.txt").read_bytes()
    s5cmd("cat", f"{url}/missing", exit_code=1)


def test_s5cmd_lists_and_removes_versions(s5cmd, new_bucket, samples, tmp_path):
    url = f"s3://{new_bucket}"
    s5cmd("mb", url)
    s5cmd("bucket-version", "--set", "Enabled", url)
    for name in ("plain.txt", "plus+sign.txt"):
        s5cmd("cp", samples / name, f"{url}/k")
    s5cmd("rm", f"{url}/k")
    newest, oldest, marker = [line.split() for line in s5cmd("ls", "--all-versions", f"{url}/k").splitlines()]
    assert [found[2] for found in (newest, oldest, marker)] == ["1000", "1000", "0"]
    s5cmd("cp", "--version-id", oldest[-1], f"{url}/k", tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == (samples / "plain.txt").read_bytes()
    s5cmd("rm", "--all-versions", f"{url}/*")
    s5cmd("rb", url)
