"""s3cmd with a configuration of keys and addresses only."""

import pytest
from dev_server import ROOT

pytestmark = pytest.mark.clients


@pytest.fixture
def s3cmd(client):
    installed = client("s3cmd")
    host = installed.endpoint.removeprefix("http://")
    settings = {"access_key": ROOT[0], "secret_key": ROOT[1], "host_base": host, "host_bucket": host, "use_https": "False"}
    lines = "\n".join(f"{name} = {value}" for name, value in settings.items())
    (installed.home / ".s3cfg").write_text(f"[default]\n{lines}\n")
    return lambda *arguments, **options: installed.run("s3cmd", *arguments, **options)


def test_s3cmd_puts_syncs_and_gets_trees(s3cmd, new_bucket, samples, tmp_path, same_trees, keys_of):
    url = f"s3://{new_bucket}"
    s3cmd("mb", url)
    s3cmd("sync", f"{samples}/", f"{url}/t/")
    assert s3cmd("sync", f"{samples}/", f"{url}/t/") == ""
    assert [line.split(maxsplit=3)[3] for line in s3cmd("ls", "-r", url).splitlines()] == [
        f"{url}/{key}" for key in keys_of(new_bucket)
    ]
    assert f"DIR  {url}/t/deep/" in s3cmd("ls", f"{url}/t/")
    (tmp_path / "down").mkdir()
    s3cmd("sync", f"{url}/t/", f"{tmp_path}/down/")
    same_trees(samples, tmp_path / "down")
    (tmp_path / "got").mkdir()
    s3cmd("get", "-r", f"{url}/t/", f"{tmp_path}/got/")
    same_trees(samples, tmp_path / "got")
    s3cmd("del", "-r", "-f", url)
    assert keys_of(new_bucket) == []
    s3cmd("rb", url)


def test_s3cmd_copies_moves_and_tells(s3cmd, new_bucket, samples, tmp_path):
    url = f"s3://{new_bucket}"
    s3cmd("mb", url)
    s3cmd("put", "--multipart-chunk-size-mb=5", samples / "big.bin", f"{url}/big é+")
    assert "Versioning:none" in s3cmd("info", url)
    assert "ACL:       root: FULL_CONTROL" in s3cmd("info", f"{url}/big é+")
    s3cmd("cp", f"{url}/big é+", f"{url}/copy")
    s3cmd("mv", f"{url}/copy", f"{url}/moved")
    s3cmd("modify", "--add-header=x-amz-meta-colour:blue", f"{url}/moved")
    assert "x-amz-meta-colour: blue" in s3cmd("info", f"{url}/moved")
    s3cmd("get", f"{url}/moved", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == (samples / "big.bin").read_bytes()
    assert s3cmd("du", url).split()[1:3] == ["2", "objects"]
    s3cmd("setversioning", url, "enable")
    assert "Versioning:Enabled" in s3cmd("info", url)
    s3cmd("get", f"{url}/missing", tmp_path / "none", exit_code=64)
