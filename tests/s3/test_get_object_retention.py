"""GetObjectRetention: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectRetention.html"""

import datetime

import pytest

UNTIL = datetime.datetime(2100, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)


@pytest.fixture
def locked(s3, lockable):
    """The version id of a locked object."""
    retention = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
    return s3.put_object(Bucket=lockable, Key="k", Body=b"x", **retention)["VersionId"]


@pytest.mark.parametrize("query", ["retention", "retention&versionId={}"])
def test_the_document(raw, lockable, locked, query):
    answer = raw.request("GET", f"/{lockable}/k", query.format(locked))
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Mode>GOVERNANCE</Mode><RetainUntilDate>2100-02-03T04:05:06.000Z</RetainUntilDate></Retention>"
    )


def test_a_version_without_retention(s3, lockable, locked, refused):
    s3.put_object(Bucket=lockable, Key="k", Body=b"y")
    error = refused("NoSuchObjectLockConfiguration", 404, s3.get_object_retention, Bucket=lockable, Key="k")
    assert error["Message"] == "The specified object does not have a ObjectLock configuration"
    assert s3.get_object_retention(Bucket=lockable, Key="k", VersionId=locked)["Retention"]["Mode"] == "GOVERNANCE"


def test_a_hold_is_no_retention(s3, lockable, refused):
    s3.put_object(Bucket=lockable, Key="k", Body=b"y", ObjectLockLegalHoldStatus="ON")
    refused("NoSuchObjectLockConfiguration", 404, s3.get_object_retention, Bucket=lockable, Key="k")


def test_a_bucket_without_object_lock(s3, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    error = refused("InvalidRequest", 400, s3.get_object_retention, Bucket=versioned, Key="k")
    assert error["Message"] == "Bucket is missing Object Lock Configuration"


def test_nothing_there(s3, lockable, locked, refused):
    refused("NoSuchKey", 404, s3.get_object_retention, Bucket=lockable, Key="nothing")
    refused("InvalidArgument", 400, s3.get_object_retention, Bucket=lockable, Key="k", VersionId="no-such-id")
    marker = s3.delete_object(Bucket=lockable, Key="k")["VersionId"]
    refused("NoSuchKey", 404, s3.get_object_retention, Bucket=lockable, Key="k")
    error = refused("MethodNotAllowed", 405, s3.get_object_retention, Bucket=lockable, Key="k", VersionId=marker)
    assert error["ResourceType"] == "DeleteMarker"


def test_another_account(alice, lockable, locked, refused):
    refused("AccessDenied", 403, alice.get_object_retention, Bucket=lockable, Key="k")
