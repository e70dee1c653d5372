"""RestoreObject: https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html

Every class is online here: a restore is done at once, and reads need none.
"""

import datetime
from email.utils import format_datetime

import pytest

DAY = datetime.timedelta(days=1)
ARCHIVES = ["GLACIER", "DEEP_ARCHIVE"]


def put(s3, bucket, storage_class, key="k"):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x", StorageClass=storage_class)


def restore(s3, bucket, days=2, **more):
    return s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": days}, **more)["ResponseMetadata"]["HTTPStatusCode"]


def told(days):
    midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0) + (days + 1) * DAY
    return f'ongoing-request="false", expiry-date="{format_datetime(midnight, usegmt=True)}"'


@pytest.mark.parametrize("storage_class", ARCHIVES)
def test_a_restore_is_done_at_once(s3, bucket, storage_class):
    put(s3, bucket, storage_class)
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="k")
    assert restore(s3, bucket) == 202
    for read in (s3.head_object, s3.get_object):
        answer = read(Bucket=bucket, Key="k")
        assert (answer["Restore"], answer["StorageClass"]) == (told(2), storage_class)


@pytest.mark.parametrize("storage_class", ARCHIVES)
def test_reads_need_no_restore(s3, bucket, storage_class):
    put(s3, bucket, storage_class)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_another_life_for_a_restored_copy(s3, bucket):
    put(s3, bucket, "GLACIER")
    assert restore(s3, bucket, 2) == 202
    assert restore(s3, bucket, 5) == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Restore"] == told(5)
    assert restore(s3, bucket, 1) == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Restore"] == told(1)


@pytest.mark.parametrize("storage_class", ["STANDARD", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "REDUCED_REDUNDANCY"])
def test_nothing_to_restore(raw, s3, bucket, storage_class):
    put(s3, bucket, storage_class)
    answer = raw.request("POST", f"/{bucket}/k", "restore", body=b"<RestoreRequest><Days>1</Days></RestoreRequest>")
    assert answer.told == (403, "InvalidObjectState")
    assert answer.error["Message"] == "Restore is not allowed for the object's current storage class"
    assert answer.error["StorageClass"] == storage_class


def test_intelligent_tiering_is_active(s3, bucket, refused):
    put(s3, bucket, "INTELLIGENT_TIERING")
    refused("ObjectAlreadyInActiveTierError", 403, s3.restore_object, Bucket=bucket, Key="k", RestoreRequest={})


@pytest.mark.parametrize("tier", ["Standard", "Bulk", "Expedited"])
def test_tiers(s3, bucket, refused, tier):
    put(s3, bucket, "GLACIER")
    wanted = {"Days": 1, "GlacierJobParameters": {"Tier": tier}}
    s3.restore_object(Bucket=bucket, Key="k", RestoreRequest=wanted)
    put(s3, bucket, "DEEP_ARCHIVE")
    if tier == "Expedited":
        error = refused("InvalidArgument", 400, s3.restore_object, Bucket=bucket, Key="k", RestoreRequest=wanted)
        assert error["Message"] == "Retrieval option is not supported by this storage class"
    else:
        s3.restore_object(Bucket=bucket, Key="k", RestoreRequest=wanted)


def test_one_version(s3, versioned):
    put(s3, versioned, "GLACIER")
    older = s3.head_object(Bucket=versioned, Key="k")["VersionId"]
    put(s3, versioned, "STANDARD")
    assert restore(s3, versioned, VersionId=older) == 202
    assert "Restore" in s3.head_object(Bucket=versioned, Key="k", VersionId=older)
    assert "Restore" not in s3.head_object(Bucket=versioned, Key="k")


def test_an_overwrite_was_not_restored(s3, bucket):
    put(s3, bucket, "GLACIER")
    restore(s3, bucket)
    put(s3, bucket, "GLACIER")
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="k")


def test_a_copy_was_not_restored(s3, bucket):
    put(s3, bucket, "GLACIER")
    restore(s3, bucket)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"}, StorageClass="GLACIER")
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="copy")


BROKEN = {
    "no body": (b"", "MalformedXML", 400),
    "no days": (b"<RestoreRequest/>", "MalformedXML", 400),
    "no number": (b"<RestoreRequest><Days>one</Days></RestoreRequest>", "MalformedXML", 400),
    "no day": (b"<RestoreRequest><Days>0</Days></RestoreRequest>", "InvalidArgument", 400),
    "too many days": (b"<RestoreRequest><Days>99999999</Days></RestoreRequest>", "MalformedXML", 400),
    "another tier": (
        b"<RestoreRequest><Days>1</Days><GlacierJobParameters><Tier>Fast</Tier></GlacierJobParameters></RestoreRequest>",
        "MalformedXML",
        400,
    ),
    "select": (b"<RestoreRequest><Type>SELECT</Type></RestoreRequest>", "NotImplemented", 501),
}


@pytest.mark.parametrize(("body", "code", "status"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_requests(raw, s3, bucket, body, code, status):
    put(s3, bucket, "GLACIER")
    assert raw.request("POST", f"/{bucket}/k", "restore", body=body).told == (status, code)
    assert "Restore" not in s3.head_object(Bucket=bucket, Key="k")


def test_nothing_there(s3, versioned, refused):
    wanted = {"Bucket": versioned, "RestoreRequest": {"Days": 1}}
    refused("NoSuchKey", 404, s3.restore_object, Key="nothing", **wanted)
    put(s3, versioned, "GLACIER")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    refused("NoSuchKey", 404, s3.restore_object, Key="k", **wanted)
    refused("MethodNotAllowed", 405, s3.restore_object, Key="k", VersionId=marker, **wanted)


def test_another_account(s3, alice, bucket, refused):
    put(s3, bucket, "GLACIER")
    refused("AccessDenied", 403, alice.restore_object, Bucket=bucket, Key="k", RestoreRequest={"Days": 1})
