"""SDKs that put the bucket into the host name, as they do by default. No departures from the defaults.

No DNS knows these names: the store is the HTTP proxy (an absolute URL in the request line).
"""

import pytest
from dev_server import DOMAIN

pytestmark = pytest.mark.clients


@pytest.fixture
def by_name(client):
    """``by_name("go")``: a Client whose endpoint is a domain."""

    def make(name):
        installed = client(name)
        installed.environment["HTTP_PROXY"] = installed.endpoint
        installed.environment["http_proxy"] = installed.endpoint
        installed.endpoint = f"http://{DOMAIN}"
        return installed

    return make


@pytest.mark.parametrize("environment", ["boto3-1.34", "aws"])
# Without "objects": urllib3 takes dot segments out of a URL that it hands to a proxy, after it was signed.
@pytest.mark.parametrize("step", ["buckets", "files", "transfers", "multipart", "presigned"])
def test_boto3_by_host_name(by_name, new_bucket, environment, step):
    by_name(environment).step("with_boto3", step, new_bucket)


@pytest.mark.slow_clients
@pytest.mark.parametrize("step", ["objects", "transfers", "versions", "presigned"])
def test_aws_sdk_for_go_by_host_name(by_name, new_bucket, step):
    installed = by_name("go")
    installed.run("with_go", step, installed.endpoint, new_bucket)
