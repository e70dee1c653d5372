"""Clients that still sign with Version 2, at least their URLs: served where the operator turns it on, and only there."""

import urllib.error
import urllib.request

import pytest
from dev_server import DevServer

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module", params=["true", ""], ids=["on", "off"])
def sigv2(request):
    """Whether the store takes Version 2."""
    return request.param


@pytest.fixture(scope="module")
def server(tmp_path_factory, sigv2):
    """A store of its own: hides the shared one."""
    with DevServer(tmp_path_factory.mktemp("version-2"), environment={"DOLMEN_SIGV2": sigv2}) as made:
        yield made


@pytest.fixture(scope="module")
def odd(server):
    """The address of an object, its name with everything that is encoded in some way."""
    s3 = server.client()
    s3.create_bucket(Bucket="old-clients")
    s3.put_object(Bucket="old-clients", Key="a b+ü", Body=b"presigned")
    return "s3://old-clients/a b+ü"


@pytest.fixture
def check(sigv2):
    """``check(url)``: the object is there, or Version 2 is refused as AWS refuses it."""

    def get(url):
        if sigv2:
            with urllib.request.urlopen(url.strip(), timeout=60) as answer:
                assert answer.read() == b"presigned"
            return
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.strip(), timeout=60)
        assert (caught.value.code, b"Please use AWS4-HMAC-SHA256" in caught.value.read()) == (400, True)

    return get


@pytest.mark.parametrize(("environment", "program"), [("boto3-1.34", "with_boto3"), ("aws", "with_boto3"), ("s3fs", "with_s3fs")])
def test_a_step_with_urls_as_botocore_signs_them(client, new_bucket, sigv2, environment, program):
    if not sigv2:
        with pytest.raises(pytest.fail.Exception, match=r"400|Bad Request"):
            client(environment).step(program, "presigned_by_default", new_bucket)
        return
    client(environment).step(program, "presigned_by_default", new_bucket)


def test_aws_presigns_by_default(client, odd, check):
    installed = client("aws")
    check(installed.run("aws", "--endpoint-url", installed.endpoint, "s3", "presign", odd))


def test_s3cmd_signs_urls(client, odd, check):
    installed = client("s3cmd")
    host = installed.endpoint.removeprefix("http://")
    check(installed.run("s3cmd", "--host", host, "--host-bucket", host, "--no-ssl", "signurl", odd, "+600"))


@pytest.mark.parametrize("command", ["ls", "la"])
def test_s3cmd_signs_headers_with_version_2(client, odd, command):
    """Where that is refused, s3cmd reads why and goes on with Version 4."""
    installed = client("s3cmd")
    host = installed.endpoint.removeprefix("http://")
    where = () if command == "la" else (odd,)
    assert "a b+ü" in installed.run("s3cmd", "--host", host, "--host-bucket", host, "--no-ssl", "--signature-v2", command, *where)
