"""What answers tell of lifecycle rules: x-amz-expiration, x-amz-abort-date, x-amz-abort-rule-id."""

import datetime
from email.utils import format_datetime

import pytest

DAY = datetime.timedelta(days=1)


def rules(s3, bucket, *made):
    full = [{"Status": "Enabled", "Filter": {"Prefix": ""}, "ID": f"rule {number}/ä", **rule} for number, rule in enumerate(made)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": full})


def told(days, rule=0, now=None):
    now = now or datetime.datetime.now(datetime.UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + (days + 1) * DAY
    return f'expiry-date="{format_datetime(midnight, usegmt=True)}", rule-id="rule%20{rule}%2F%C3%A4"'


@pytest.fixture
def three_days(s3, bucket):
    rules(s3, bucket, {"Expiration": {"Days": 3}})
    return bucket


def test_put_get_head(s3, three_days):
    wanted = told(3)
    assert s3.put_object(Bucket=three_days, Key="k", Body=b"x")["Expiration"] == wanted
    assert s3.head_object(Bucket=three_days, Key="k")["Expiration"] == wanted
    assert s3.get_object(Bucket=three_days, Key="k")["Expiration"] == wanted
    assert s3.get_object(Bucket=three_days, Key="k", Range="bytes=0-0")["Expiration"] == wanted


def test_copy(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    rules(s3, bucket, {"Expiration": {"Days": 1}})
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    assert copied["Expiration"] == told(1)


def test_multipart(s3, three_days):
    upload = {"Bucket": three_days, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x")
    made = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert made["Expiration"] == told(3)


MIDNIGHT = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
OTHERS = {
    "no rule of expiration": [{"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}],
    "noncurrent versions": [{"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}],
    "markers": [{"Expiration": {"ExpiredObjectDeleteMarker": True}}],
    "transitions": [{"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}],
    "disabled": [{"Status": "Disabled", "Expiration": {"Days": 1}}],
    "another prefix": [{"Filter": {"Prefix": "other/"}, "Expiration": {"Days": 1}}],
    "another tag": [{"Filter": {"Tag": {"Key": "k", "Value": "w"}}, "Expiration": {"Days": 1}}],
    "larger": [{"Filter": {"ObjectSizeGreaterThan": 1}, "Expiration": {"Days": 1}}],
}


@pytest.mark.parametrize("made", OTHERS.values(), ids=OTHERS.keys())
def test_rules_that_tell_nothing(s3, bucket, made):
    rules(s3, bucket, *made)
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="k=v")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")


def test_the_earliest_rule_is_told(s3, bucket):
    rules(
        s3, bucket,
        {"Expiration": {"Days": 9}},
        {"Expiration": {"Days": 2}, "Filter": {"Prefix": "k"}},
        {"Expiration": {"Date": MIDNIGHT}},
    )  # fmt: skip
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["Expiration"] == told(2, 1)
    assert s3.put_object(Bucket=bucket, Key="other", Body=b"x")["Expiration"] == told(9, 0)


def test_a_date(s3, bucket):
    rules(s3, bucket, {"Expiration": {"Date": MIDNIGHT}})
    wanted = 'expiry-date="Fri, 01 Jan 2100 00:00:00 GMT", rule-id="rule%200%2F%C3%A4"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"x")["Expiration"] == wanted


def test_tags_and_sizes_count(s3, bucket):
    where = {"And": {"Tags": [{"Key": "k", "Value": "v"}], "ObjectSizeGreaterThan": 2, "ObjectSizeLessThan": 4}}
    rules(s3, bucket, {"Expiration": {"Days": 1}, "Filter": where})
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="k", Body=b"xx", Tagging="k=v")
    assert "Expiration" not in s3.put_object(Bucket=bucket, Key="k", Body=b"xxx")
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"xxx", Tagging="k=v&l=")["Expiration"] == told(1)
    assert s3.head_object(Bucket=bucket, Key="k")["Expiration"] == told(1)
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")


def test_current_versions_only(s3, versioned):
    rules(s3, versioned, {"Expiration": {"Days": 1}})
    older = s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    newer = s3.put_object(Bucket=versioned, Key="k", Body=b"y")
    assert older["Expiration"] == newer["Expiration"] == told(1)
    assert "Expiration" in s3.head_object(Bucket=versioned, Key="k", VersionId=newer["VersionId"])
    assert "Expiration" not in s3.head_object(Bucket=versioned, Key="k", VersionId=older["VersionId"])


def test_uploads_tell_when_they_are_aborted(s3, bucket):
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    rules(s3, bucket, abort, {**abort, "Filter": {"Prefix": "soon/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}})
    today = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for key, days, rule in (("k", 7, 0), ("soon/k", 2, 1)):
        made = s3.create_multipart_upload(Bucket=bucket, Key=key)
        assert made["AbortDate"] == today + (days + 1) * DAY
        assert made["AbortRuleId"] == f"rule%20{rule}%2F%C3%A4"
        listed = s3.list_parts(Bucket=bucket, Key=key, UploadId=made["UploadId"])
        assert (listed["AbortDate"], listed["AbortRuleId"]) == (made["AbortDate"], made["AbortRuleId"])


def test_uploads_of_other_keys_tell_nothing(s3, bucket):
    rules(s3, bucket, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}, "Filter": {"Prefix": "soon/"}})
    made = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert "AbortDate" not in made
    assert "AbortDate" not in s3.list_parts(Bucket=bucket, Key="k", UploadId=made["UploadId"])
