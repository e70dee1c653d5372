"""SDKs through TLS, where they send their default checksums as trailers of unsigned chunks.

Departures from the defaults: the certificate to trust.
"""

import shutil

import pytest
from tls_front import HOST, TlsFront

pytestmark = pytest.mark.clients
SLOW = pytest.mark.slow_clients


@pytest.fixture
def over_tls(client, server, tmp_path):
    """``over_tls("go")``: a Client whose endpoint speaks TLS."""
    with TlsFront(tmp_path, server.port) as front:

        def make(name):
            installed = client(name)
            installed.endpoint = f"https://{HOST}:{front.port}"
            installed.environment |= {"AWS_CA_BUNDLE": str(front.certificate), "NODE_EXTRA_CA_CERTS": str(front.certificate)}
            return installed

        yield make


@pytest.mark.parametrize("environment", ["boto3-1.34", "aws"])
@pytest.mark.parametrize("step", ["objects", "files", "transfers", "multipart"])
def test_boto3_over_tls(over_tls, new_bucket, environment, step):
    over_tls(environment).step("with_boto3", step, new_bucket)


@SLOW
@pytest.mark.parametrize("step", ["objects", "transfers", "presigned"])
def test_aws_sdk_for_go_over_tls(over_tls, new_bucket, step):
    installed = over_tls("go")
    installed.run("with_go", step, installed.endpoint, new_bucket, SSL_CERT_FILE=installed.environment["AWS_CA_BUNDLE"])


@SLOW
@pytest.mark.parametrize("step", ["objects", "transfers", "presigned"])
def test_aws_sdk_for_javascript_over_tls(over_tls, new_bucket, step):
    installed = over_tls("js")
    shutil.copy(installed.programs / "js" / "with_sdk.mjs", installed.home)
    (installed.home / "node_modules").symlink_to(installed.installed / "node_modules")
    installed.run("node", "with_sdk.mjs", step, installed.endpoint, new_bucket)
