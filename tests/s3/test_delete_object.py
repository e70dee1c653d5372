"""DeleteObject: with and without versions, conditions, what it answers."""

import datetime

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

DAY = datetime.timedelta(days=1)


def test_delete(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.delete_object(Bucket=bucket, Key="k")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert not {"VersionId", "DeleteMarker"} & answer.keys()
    refused("NoSuchKey", 404, s3.get_object, Bucket=bucket, Key="k")
    assert s3.delete_object(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204


@pytest.mark.parametrize("key", ["never there", "a/", "a/b", "ä"])
def test_what_was_never_there(raw, s3, bucket, key):
    s3.put_object(Bucket=bucket, Key="a/b/c", Body=b"x")
    answer = s3.delete_object(Bucket=bucket, Key=key)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1


def test_the_answer(raw, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = raw.request("DELETE", f"/{bucket}/k")
    assert (answer.status, answer.body) == (204, b"")
    assert not {"content-type", "x-amz-delete-marker", "x-amz-version-id"} & answer.headers.keys()


def test_in_a_versioned_bucket(raw, s3, versioned):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    answer = raw.request("DELETE", f"/{versioned}/k")
    assert (answer.status, answer.headers["x-amz-delete-marker"]) == (204, "true")
    marker = answer.headers["x-amz-version-id"]
    assert marker != version
    rows = s3.list_object_versions(Bucket=versioned)
    assert [(row["VersionId"], row["IsLatest"]) for row in rows["DeleteMarkers"]] == [(marker, True)]
    assert [(row["VersionId"], row["IsLatest"]) for row in rows["Versions"]] == [(version, False)]


def test_a_version(s3, versioned):
    named = {"Bucket": versioned, "Key": "k"}
    ids = [s3.put_object(**named, Body=b"%d" % number)["VersionId"] for number in range(3)]
    answer = s3.delete_object(**named, VersionId=ids[1])
    assert (answer["VersionId"], answer.get("DeleteMarker")) == (ids[1], None)
    assert [row["VersionId"] for row in s3.list_object_versions(Bucket=versioned)["Versions"]] == [ids[2], ids[0]]
    assert s3.get_object(**named)["Body"].read() == b"2"
    s3.delete_object(**named, VersionId=ids[2])
    assert s3.get_object(**named)["Body"].read() == b"0"


def test_a_marker(s3, versioned):
    named = {"Bucket": versioned, "Key": "k"}
    s3.put_object(**named, Body=b"x")
    marker = s3.delete_object(**named)["VersionId"]
    answer = s3.delete_object(**named, VersionId=marker)
    assert (answer["VersionId"], answer["DeleteMarker"]) == (marker, True)
    assert s3.get_object(**named)["Body"].read() == b"x"


def test_a_version_that_is_not_there(s3, versioned, refused):
    named = {"Bucket": versioned, "Key": "k"}
    gone = s3.put_object(**named, Body=b"x")["VersionId"]
    for _ in range(2):
        assert s3.delete_object(**named, VersionId=gone)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("InvalidArgument", 400, s3.delete_object, **named, VersionId="nonsense")


def test_conditions(s3, bucket, refused):
    named = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**named, Body=b"four")["ETag"]
    modified = s3.head_object(**named)["LastModified"]
    for wrong in ({"IfMatch": '"x"'}, {"IfMatchSize": 3}, {"IfMatchLastModifiedTime": modified - DAY}):
        refused("PreconditionFailed", 412, s3.delete_object, **named, **wrong)
    s3.delete_object(**named, IfMatch=etag, IfMatchSize=4, IfMatchLastModifiedTime=modified)
    refused("NoSuchKey", 404, s3.delete_object, **named, IfMatch=etag)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_version_under_retention(s3, lockable, refused, mode):
    named = {"Bucket": lockable, "Key": "k"}
    until = datetime.datetime.now(datetime.UTC) + DAY
    version = s3.put_object(**named, Body=b"x", ObjectLockMode=mode, ObjectLockRetainUntilDate=until)["VersionId"]
    refused("AccessDenied", 403, s3.delete_object, **named, VersionId=version)
    refused("AccessDenied", 403, s3.delete_object, **named, VersionId=version, BypassGovernanceRetention=False)
    if mode == "COMPLIANCE":
        refused("AccessDenied", 403, s3.delete_object, **named, VersionId=version, BypassGovernanceRetention=True)
        assert s3.get_object(**named, VersionId=version)["Body"].read() == b"x"
    else:
        s3.delete_object(**named, VersionId=version, BypassGovernanceRetention=True)
        refused("NoSuchKey", 404, s3.get_object, **named)


def test_a_marker_is_set_over_a_locked_version(s3, lockable):
    named = {"Bucket": lockable, "Key": "k"}
    version = s3.put_object(**named, Body=b"x", ObjectLockLegalHoldStatus="ON")["VersionId"]
    assert s3.delete_object(**named)["DeleteMarker"] is True
    assert s3.get_object(**named, VersionId=version)["Body"].read() == b"x"


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.delete_object, Bucket=name, Key="k")["BucketName"] == name


def test_a_device_that_nobody_asked_for(s3, versioned):
    """MFA is for buckets with MFA delete, which none here has."""
    named = {"Bucket": versioned, "Key": "k"}
    version = s3.put_object(**named, Body=b"x")["VersionId"]
    assert s3.delete_object(**named, VersionId=version, MFA="arn:aws:iam::000000000000:mfa/d 123456")["VersionId"] == version


def test_the_expected_owner(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused("AccessDenied", 403, s3.delete_object, Bucket=bucket, Key="k", ExpectedBucketOwner=ALICE_ACCOUNT)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    s3.delete_object(Bucket=bucket, Key="k", ExpectedBucketOwner=ROOT_ACCOUNT)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize(("action", "with_version"), [("s3:DeleteObject", False), ("s3:DeleteObjectVersion", True)])
def test_the_permission(s3, alice, anonymous, versioned, refused, action, with_version):
    named = {"Bucket": versioned, "Key": "k"}
    version = s3.put_object(**named, Body=b"x")["VersionId"]
    forms = {False: {}, True: {"VersionId": version}}
    refused("AccessDenied", 403, alice.delete_object, **named, **forms[with_version])
    assert anonymous.request("DELETE", f"/{versioned}/k").told == (403, "AccessDenied")
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action=action, **one)))
    refused("AccessDenied", 403, alice.delete_object, **named, **forms[not with_version])
    assert s3.get_object(**named, VersionId=version)["Body"].read() == b"x"
    alice.delete_object(**named, **forms[with_version])
