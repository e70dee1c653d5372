"""rclone as AWS, without quirks, and with path-style addresses (its provider Minio: nothing else differs).

As AWS it puts the bucket into the host name, whatever the endpoint.
"""

import pytest
from dev_server import DOMAIN

pytestmark = pytest.mark.clients
AS = ("AWS", "Minio")
ODD_NAME = "ünïcode-€-日本-😀.txt"


@pytest.fixture
def rclone(client, server):
    """``rclone("AWS")``: runs rclone with a remote called ``store``."""
    installed = client("rclone")

    def as_provider(provider):
        endpoint, proxy = server.endpoint, {}
        if provider == "AWS":
            # No DNS knows these names: the store is the HTTP proxy (an absolute URL in the request line).
            endpoint, proxy = f"http://{DOMAIN}", {"HTTP_PROXY": server.endpoint}
        remote = {"TYPE": "s3", "PROVIDER": provider, "ENV_AUTH": "true", "REGION": "us-east-1", "ENDPOINT": endpoint}
        environment = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}
        return lambda *arguments, **options: installed.run(
            "rclone", "--retries", "1", *arguments, **environment, **proxy, **options
        )

    return as_provider


@pytest.mark.parametrize("provider", AS)
def test_rclone_syncs_checks_and_purges(rclone, provider, new_bucket, samples, tmp_path, same_trees):
    run, url = rclone(provider), f"store:{new_bucket}"
    run("mkdir", url)
    run("mkdir", url)
    assert new_bucket in run("lsd", "store:")
    names = sorted(str(path.relative_to(samples)) for path in samples.rglob("*") if path.is_file())
    log = run("sync", "-v", samples, f"{url}/t", with_log=True)
    assert log.count("Copied (new)") == len(names)
    assert "Copied" not in run("sync", "-v", samples, f"{url}/t", with_log=True)
    run("check", samples, f"{url}/t")
    run("check", "--download", samples, f"{url}/t")
    run("copy", f"{url}/t", tmp_path / "down")
    same_trees(samples, tmp_path / "down")
    assert sorted(run("lsf", "-R", "--files-only", f"{url}/t").splitlines()) == names
    assert run("lsf", "--dirs-only", f"{url}/t") == "deep/\n"
    run("purge", url)
    assert new_bucket not in run("lsd", "store:")


@pytest.mark.parametrize("provider", AS)
def test_rclone_multipart_moves_and_deletes(rclone, provider, new_bucket, samples, tmp_path):
    run, url, big = rclone(provider), f"store:{new_bucket}", samples / "big.bin"
    run("mkdir", url)
    run("copyto", big, f"{url}/big é+", "--s3-upload-cutoff", "5M")
    log = run("copyto", "-v", f"{url}/big é+", f"{url}/copy", "--s3-copy-cutoff", "5M", with_log=True)
    assert "server-side copy" in log
    run("moveto", f"{url}/copy", f"{url}/moved/here")
    run("copyto", f"{url}/moved/here", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == big.read_bytes()
    # The MD5 that it keeps in the metadata, since an ETag of parts is none.
    assert len({line.split()[0] for line in run("md5sum", url).splitlines()}) == 1
    run("deletefile", f"{url}/moved/here")
    assert run("lsf", "-R", url) == "big é+\n"
    run("delete", url)
    assert run("lsf", "-R", url) == ""


def test_rclone_reads_an_old_version_and_shares_a_link(rclone, new_bucket, samples, fetch):
    run, url, sample = rclone("Minio"), f"store:{new_bucket}", samples / ODD_NAME
    run("mkdir", url)
    run("backend", "versioning", url, "Enabled")
    run("copyto", sample, f"{url}/a b.txt")
    assert fetch(run("link", f"{url}/a b.txt")) == sample.read_bytes()
    run("copyto", samples / "deep" / "one.bin", f"{url}/a b.txt")
    run("deletefile", f"{url}/a b.txt")
    assert run("lsf", url) == ""
    # Names carry the time in seconds: two versions of one second have one name, so the old one is told by its size.
    versions = run("lsf", "--s3-versions", "--format", "sp", url).splitlines()
    assert sorted(line.split(";")[0] for line in versions) == ["1000", "100000"]
    run("backend", "cleanup-hidden", url)
    assert run("lsf", "--s3-versions", url) == ""
    run("rmdir", url)
