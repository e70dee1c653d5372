"""boto3 of the last year before default checksums and of today."""

import pytest

pytestmark = pytest.mark.clients
VERSION_2 = pytest.mark.xfail(reason="presigned URLs of Signature Version 2 are refused, as AWS does for buckets made since 2020")
STEPS = ("buckets", "objects", "files", "transfers", "multipart", "versions", "presigned")


@pytest.mark.parametrize("environment", ["boto3-1.34", "aws"])
@pytest.mark.parametrize("step", [*STEPS, pytest.param("presigned_by_default", marks=VERSION_2)])
def test_boto3(client, new_bucket, environment, step):
    client(environment).step("with_boto3", step, new_bucket)
