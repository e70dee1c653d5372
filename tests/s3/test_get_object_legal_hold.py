"""GetObjectLegalHold: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLegalHold.html"""

import datetime

import pytest


@pytest.mark.parametrize("status", ["ON", "OFF"])
def test_the_document(raw, s3, lockable, status):
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", ObjectLockLegalHoldStatus=status)
    answer = raw.request("GET", f"/{lockable}/k", "legal-hold")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<LegalHold xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Status>{status}</Status></LegalHold>"
    )


def test_never_set(s3, lockable, refused):
    s3.put_object(Bucket=lockable, Key="k", Body=b"x")
    error = refused("NoSuchObjectLockConfiguration", 404, s3.get_object_legal_hold, Bucket=lockable, Key="k")
    assert error["Message"] == "The specified object does not have a ObjectLock configuration"


def test_a_retention_is_no_hold(s3, lockable, refused):
    until = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    refused("NoSuchObjectLockConfiguration", 404, s3.get_object_legal_hold, Bucket=lockable, Key="k")


def test_a_bucket_without_object_lock(s3, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    error = refused("InvalidRequest", 400, s3.get_object_legal_hold, Bucket=versioned, Key="k")
    assert error["Message"] == "Bucket is missing Object Lock Configuration"


def test_nothing_there(s3, lockable, refused):
    refused("NoSuchKey", 404, s3.get_object_legal_hold, Bucket=lockable, Key="nothing")
    marker = s3.delete_object(Bucket=lockable, Key="k")["VersionId"]
    refused("MethodNotAllowed", 405, s3.get_object_legal_hold, Bucket=lockable, Key="k", VersionId=marker)
