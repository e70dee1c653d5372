"""AWS SDK for Go v2: service/s3 and feature/s3/manager, in a program that scripts/install_clients.py builds.

Departure from the defaults: ``UsePathStyle``, as no DNS knows the bucket's name.
"""

import pytest

pytestmark = pytest.mark.slow_clients


@pytest.mark.parametrize("step", ["objects", "transfers", "versions", "conditions", "presigned"])
def test_aws_sdk_for_go(client, new_bucket, step):
    installed = client("go")
    installed.run("with_go", step, installed.endpoint, new_bucket)
