"""What keeps its files in a bucket: PyTorch's connector, django-storages, DVC.

Each program tells its departures from the defaults.
"""

import shutil

import pytest

pytestmark = pytest.mark.slow_clients


@pytest.mark.parametrize("step", ["checkpoints", "datasets"])
def test_s3torchconnector(client, bucket, step):
    client("s3torchconnector").step("with_s3torchconnector", step, bucket)


@pytest.mark.parametrize("step", ["files", "static"])
def test_django_storages(client, bucket, step):
    client("django-storages").step("with_django", step, bucket)


def test_dvc_pushes_pulls_and_collects(client, bucket, samples, same_trees, keys_of):
    """Departure from the defaults: it may not tell its makers that it runs."""
    git = client("git").program
    installed = client("dvc")
    data = installed.home / "data"
    shutil.copytree(samples, data)

    def dvc(*arguments):
        return installed.run("dvc", *arguments, DVC_NO_ANALYTICS="1")

    installed.run(git, "init", "--quiet")
    dvc("init", "--quiet")
    dvc("remote", "add", "--default", "store", f"s3://{bucket}/dvc cache")
    dvc("remote", "modify", "store", "endpointurl", installed.endpoint)
    dvc("add", "data")
    dvc("push")
    pushed = keys_of(bucket, "dvc cache/files/md5/")
    assert len(pushed) == len({path.read_bytes() for path in samples.rglob("*") if path.is_file()}) + 1  # and the directory
    assert "in sync" in dvc("status", "--cloud")
    shutil.rmtree(installed.home / ".dvc" / "cache")
    shutil.rmtree(data)
    dvc("pull")
    same_trees(samples, data)
    (data / "plain.txt").write_bytes(b"changed")
    (data / "big.bin").unlink()
    dvc("add", "data")
    dvc("push")
    dvc("gc", "--workspace", "--cloud", "--force")
    assert len(keys_of(bucket, "dvc cache/files/md5/")) == len(pushed) - 1  # without big.bin; two others took others' places
