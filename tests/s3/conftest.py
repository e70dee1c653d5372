"""Accounts, buckets and raw requests for the tests of S3's behaviour. All of them share one store for each xdist worker."""

import itertools
import os

import pytest
from botocore.exceptions import ClientError
from dev_server import ALICE, BOB, ROOT
from raw_s3 import RawS3
from s3_results import RECORDER, VARIABLE

_NUMBERS = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def surprises(server):
    """At the end of the session: whatever the tests sent, no process was surprised by it."""
    yield
    told = [
        line
        for log in sorted((server.data / "logs").glob("*.log*"))
        for line in log.read_text(errors="replace").splitlines()
        if '"unexpected"' in line or "Traceback" in line or '"level":"error"' in line.replace(" ", "")
    ]
    assert not told, "\n".join(line[:2000] for line in told[:5])
    errors = [line for line in server.get("/metrics")[1].decode().splitlines() if 'code="InternalError"' in line]
    assert not errors, errors


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """What the body of a test calls counts when it passes (``make compatibility``)."""
    report = yield
    if RECORDER is not None:
        if report.when == "call":
            RECORDER.end(item.path.name, report.passed)
        else:
            RECORDER.begin()  # what fixtures call does not count
    return report


def pytest_sessionfinish(session):
    if RECORDER is not None:
        RECORDER.write(os.environ[VARIABLE], os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture(scope="session")
def raw(server):
    """Raw requests of the root account."""
    return RawS3(server.port, ROOT)


@pytest.fixture(scope="session")
def anonymous(server):
    return RawS3(server.port, None)


@pytest.fixture(scope="session")
def alice(server):
    """A boto3 client of an account in the default namespace."""
    return server.client(ALICE)


@pytest.fixture(scope="session")
def bob(server):
    """A boto3 client of an account in the tenant acme."""
    return server.client(BOB)


@pytest.fixture(scope="session")
def new_name():
    """Names that no other test uses."""
    return lambda: f"name-{os.getpid()}-{next(_NUMBERS)}"


@pytest.fixture
def versioned(s3, bucket):
    """A bucket with versioning enabled."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


@pytest.fixture
def lockable(s3, new_name):
    """A bucket with object lock."""
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.fixture
def refused():
    """``refused("Code", 412, call, **arguments)``: the call fails so; returns the error's fields."""

    def check(code, status, call, **arguments):
        with pytest.raises(ClientError) as caught:
            call(**arguments)
        response = caught.value.response
        assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == (code, status), response
        return response["Error"]

    return check


@pytest.fixture(scope="session")
def clients(server):
    """Eight clients: the kernel spreads their connections over both gateway processes."""
    return [server.client() for _ in range(8)]


