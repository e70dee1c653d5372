"""awscli of today and Debian's awscli 2 (the defaults of 2022): `aws s3` and `aws s3api`. No departures from the defaults."""

import json

import pytest

pytestmark = pytest.mark.clients


@pytest.fixture(params=["aws", pytest.param("awscli", marks=pytest.mark.slow_clients)])
def aws(client, request):
    """``aws("s3", "ls")``: runs it against the store; ``aws.json("s3api", ...)``: the document it prints."""
    installed = client(request.param)

    def run(*arguments, **options):
        return installed.run(installed.program or "aws", "--endpoint-url", installed.endpoint, *arguments, **options)

    run.json = lambda *arguments: json.loads(run(*arguments, "--output", "json") or "{}")
    return run


def test_aws_syncs_trees(aws, new_bucket, samples, tmp_path, same_trees, keys_of):
    url = f"s3://{new_bucket}"
    aws("s3", "mb", url)
    assert new_bucket in aws("s3", "ls")
    aws("s3", "sync", samples, f"{url}/t/")
    assert aws("s3", "sync", samples, f"{url}/t/") == ""
    listed = aws("s3", "ls", "--recursive", url)
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == keys_of(new_bucket)
    assert "PRE deep/" in aws("s3", "ls", f"{url}/t/")
    aws("s3", "sync", f"{url}/t/", tmp_path / "down")
    same_trees(samples, tmp_path / "down")
    aws("s3", "rb", "--force", url)
    assert new_bucket not in aws("s3", "ls")


def test_aws_copies_moves_and_removes_on_the_server(aws, bucket, samples, tmp_path, same_trees, keys_of):
    url = f"s3://{bucket}"
    aws("s3", "cp", "--recursive", samples, f"{url}/t/")
    aws("s3", "cp", "--recursive", f"{url}/t/", f"{url}/copy/")
    aws("s3", "mv", "--recursive", f"{url}/copy/", f"{url}/moved/")
    aws("s3", "cp", "--recursive", f"{url}/moved/", tmp_path / "moved")
    same_trees(samples, tmp_path / "moved")
    assert keys_of(bucket, "copy/") == []
    aws("s3", "rm", "--recursive", f"{url}/moved/")
    assert {key.split("/")[0] for key in keys_of(bucket)} == {"t"}


def test_aws_copies_single_files_and_presigns(aws, new_bucket, samples, tmp_path, fetch):
    url = f"s3://{new_bucket}"
    aws("s3", "mb", url)
    odd = "ünïcode-€-日本-😀.txt"
    aws("s3", "cp", samples / odd, url)
    aws("s3", "cp", f"{url}/{odd}", f"{url}/renamed + copy")
    aws("configure", "set", "default.s3.signature_version", "s3v4")
    assert fetch(aws("s3", "presign", f"{url}/renamed + copy")) == (samples / odd).read_bytes()
    aws("s3", "cp", samples / "big.bin", f"{url}/big", "--metadata", "kind=big", "--storage-class", "STANDARD_IA")
    aws("s3", "cp", f"{url}/big", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == (samples / "big.bin").read_bytes()
    head = aws.json("s3api", "head-object", "--bucket", new_bucket, "--key", "big")
    assert (head["Metadata"], head["StorageClass"], head["ETag"][-3:]) == ({"kind": "big"}, "STANDARD_IA", '-3"')
    aws("s3", "mv", f"{url}/big", f"{url}/bigger")
    aws("s3", "rm", f"{url}/bigger")
    aws("s3", "cp", f"{url}/bigger", tmp_path / "none", exit_code=1)


def test_aws_restores_a_deleted_object(aws, new_bucket, samples, tmp_path):
    at = ("--bucket", new_bucket)
    aws("s3api", "create-bucket", *at)
    aws("s3api", "put-bucket-versioning", *at, "--versioning-configuration", "Status=Enabled")
    old = aws.json("s3api", "put-object", *at, "--key", "k", "--body", samples / "plain.txt")
    new = aws.json("s3api", "put-object", *at, "--key", "k", "--body", samples / "plus+sign.txt")
    aws("s3", "rm", f"s3://{new_bucket}/k")
    listed = aws.json("s3api", "list-object-versions", *at)
    assert [found["VersionId"] for found in listed["Versions"]] == [new["VersionId"], old["VersionId"]]
    assert [found["IsLatest"] for found in listed["Versions"]] == [False, False]
    marker = listed["DeleteMarkers"][0]["VersionId"]
    aws("s3api", "get-object", *at, "--key", "k", "--version-id", old["VersionId"], tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == (samples / "plain.txt").read_bytes()
    aws("s3api", "delete-object", *at, "--key", "k", "--version-id", marker)
    aws("s3", "cp", f"s3://{new_bucket}/k", tmp_path / "new")
    assert (tmp_path / "new").read_bytes() == (samples / "plus+sign.txt").read_bytes()
    objects = [{"Key": "k", "VersionId": version} for version in (old["VersionId"], new["VersionId"])]
    told = aws.json("s3api", "delete-objects", *at, "--delete", json.dumps({"Objects": objects}))
    assert {found["VersionId"] for found in told["Deleted"]} == {old["VersionId"], new["VersionId"]}
    aws("s3api", "delete-bucket", *at)
