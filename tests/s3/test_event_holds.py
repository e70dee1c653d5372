"""Event holds of object lock are refused by name: a lock that were forgotten is worse than none."""

import datetime

import pytest

HELD = [
    {"ObjectLockEventHold": "ON"},
    {"ObjectLockEventHoldDurationDays": 1},
    {"ObjectLockEventHold": "OFF", "ObjectLockEventHoldDurationYears": 1},
]


@pytest.fixture
def locked(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name


@pytest.mark.parametrize("more", HELD)
def test_with_a_new_object(s3, locked, refused, more):
    refused("NotImplemented", 501, s3.put_object, Bucket=locked, Key="k", Body=b"x", **more)
    refused("NotImplemented", 501, s3.create_multipart_upload, Bucket=locked, Key="k", **more)
    s3.put_object(Bucket=locked, Key="source", Body=b"x")
    source = {"Bucket": locked, "Key": "source"}
    refused("NotImplemented", 501, s3.copy_object, Bucket=locked, Key="k", CopySource=source, **more)
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=locked)["Contents"]] == ["source"]


@pytest.mark.parametrize("retention", [{"EventHold": "ON"}, {"EventHoldDuration": {"Days": 1}}])
def test_of_an_object_that_is_there(s3, locked, refused, retention):
    """And its retention stays: a document without a mode takes one away."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    version = s3.put_object(Bucket=locked, Key="k", Body=b"x")["VersionId"]
    s3.put_object_retention(Bucket=locked, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    refused(
        "NotImplemented",
        501,
        s3.put_object_retention,
        Bucket=locked,
        Key="k",
        Retention=retention,
        BypassGovernanceRetention=True,
    )
    assert s3.get_object_retention(Bucket=locked, Key="k")["Retention"]["Mode"] == "GOVERNANCE"
    s3.delete_object(Bucket=locked, Key="k", VersionId=version, BypassGovernanceRetention=True)


def test_by_default(s3, locked, refused):
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1, "DefaultEventHold": {"Days": 1}}}
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": rule}
    refused("NotImplemented", 501, s3.put_object_lock_configuration, Bucket=locked, ObjectLockConfiguration=wanted)
    assert "Rule" not in s3.get_object_lock_configuration(Bucket=locked)["ObjectLockConfiguration"]
