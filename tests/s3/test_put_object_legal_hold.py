"""PutObjectLegalHold: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLegalHold.html"""

import datetime

import pytest


@pytest.fixture
def version(s3, lockable):
    return s3.put_object(Bucket=lockable, Key="k", Body=b"x")["VersionId"]


def hold(s3, bucket, status, **more):
    return s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": status}, **more)


def told(s3, bucket, **more):
    return s3.get_object_legal_hold(Bucket=bucket, Key="k", **more)["LegalHold"]["Status"]


@pytest.mark.parametrize("status", ["ON", "OFF"])
def test_set_and_told(s3, lockable, version, status):
    assert hold(s3, lockable, status)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert told(s3, lockable) == told(s3, lockable, VersionId=version) == status
    assert s3.head_object(Bucket=lockable, Key="k")["ObjectLockLegalHoldStatus"] == status
    assert s3.get_object(Bucket=lockable, Key="k")["ObjectLockLegalHoldStatus"] == status


def test_it_comes_and_goes(s3, lockable, version):
    for status in ("ON", "OFF", "ON", "ON", "OFF"):
        hold(s3, lockable, status)
        assert told(s3, lockable) == status


def test_one_version_only(s3, lockable, version, refused):
    s3.put_object(Bucket=lockable, Key="k", Body=b"y")
    hold(s3, lockable, "ON", VersionId=version)
    assert told(s3, lockable, VersionId=version) == "ON"
    refused("NoSuchObjectLockConfiguration", 404, s3.get_object_legal_hold, Bucket=lockable, Key="k")


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_the_retention_stays(s3, lockable, version, mode):
    until = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    s3.put_object_retention(Bucket=lockable, Key="k", Retention={"Mode": mode, "RetainUntilDate": until})
    for status in ("ON", "OFF"):
        hold(s3, lockable, status)
        assert s3.get_object_retention(Bucket=lockable, Key="k")["Retention"] == {"Mode": mode, "RetainUntilDate": until}


BROKEN = {
    "no body": b"",
    "no status": b"<LegalHold/>",
    "another status": b"<LegalHold><Status>on</Status></LegalHold>",
    "two of them": b"<LegalHold><Status>ON</Status><Status>OFF</Status></LegalHold>",
    "another root": b"<Hold><Status>ON</Status></Hold>",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_malformed(raw, lockable, version, body):
    assert raw.request("PUT", f"/{lockable}/k", "legal-hold", body=body).told == (400, "MalformedXML")


def test_a_bucket_without_object_lock(s3, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    error = refused("InvalidRequest", 400, s3.put_object_legal_hold, Bucket=versioned, Key="k", LegalHold={"Status": "ON"})
    assert error["Message"] == "Bucket is missing Object Lock Configuration"


def test_nothing_to_hold(s3, lockable, version, refused):
    wanted = {"Bucket": lockable, "LegalHold": {"Status": "ON"}}
    refused("NoSuchKey", 404, s3.put_object_legal_hold, Key="nothing", **wanted)
    marker = s3.delete_object(Bucket=lockable, Key="k")["VersionId"]
    error = refused("MethodNotAllowed", 405, s3.put_object_legal_hold, Key="k", VersionId=marker, **wanted)
    assert error["ResourceType"] == "DeleteMarker"
