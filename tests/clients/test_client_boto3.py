"""boto3 of the last year before default checksums and of today."""

import pytest

pytestmark = pytest.mark.clients
STEPS = ("buckets", "objects", "files", "transfers", "multipart", "versions", "presigned")


@pytest.mark.parametrize("environment", ["boto3-1.34", "aws"])
@pytest.mark.parametrize("step", STEPS)
def test_boto3(client, new_bucket, environment, step):
    client(environment).step("with_boto3", step, new_bucket)
