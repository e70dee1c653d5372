"""minio-py and s3fs."""

import pytest

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("step", ["objects", "transfers", "versions", "presigned"])
def test_minio(client, new_bucket, step):
    client("minio").step("with_minio", step, new_bucket)


@pytest.mark.parametrize("step", ["objects", "transfers", "versions", "presigned"])
def test_s3fs(client, new_bucket, step):
    client("s3fs").step("with_s3fs", step, new_bucket)
