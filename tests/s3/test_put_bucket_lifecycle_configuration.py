"""PutBucketLifecycleConfiguration over HTTP; what is accepted in detail is in tests/unit/lifecycle.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
"""

import datetime

import pytest

MIDNIGHT = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
RULE = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}


def put(s3, bucket, *rules, **more):
    return s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": list(rules)}, **more)


def told(s3, bucket):
    return s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]


ACCEPTED = {
    "days": {"Expiration": {"Days": 1}},
    "a date": {"Expiration": {"Date": MIDNIGHT}},
    "markers": {"Expiration": {"ExpiredObjectDeleteMarker": True}},
    "noncurrent": {"NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2}},
    "uploads": {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
    "transitions": {
        "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 60, "StorageClass": "GLACIER"}],
        "NoncurrentVersionTransitions": [{"NoncurrentDays": 0, "StorageClass": "DEEP_ARCHIVE", "NewerNoncurrentVersions": 1}],
    },
    "a transition at a date": {"Transitions": [{"Date": MIDNIGHT, "StorageClass": "GLACIER_IR"}]},
    "disabled": {"Status": "Disabled", "Expiration": {"Days": 1}},
    "a tag": {"Filter": {"Tag": {"Key": "k", "Value": "ä ö"}}, "Expiration": {"Days": 1}},
    "sizes": {"Filter": {"ObjectSizeGreaterThan": 1024}, "Expiration": {"Days": 1}},
    "and": {
        "Filter": {
            "And": {
                "Prefix": "p/",
                "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": ""}],
                "ObjectSizeGreaterThan": 1,
                "ObjectSizeLessThan": 3,
            }
        },
        "Expiration": {"Days": 1},
    },
}


@pytest.mark.parametrize("members", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_set_and_told(s3, bucket, members):
    rule = {"ID": "a rule", "Status": "Enabled", "Filter": {"Prefix": ""}, **members}
    answer = put(s3, bucket, rule)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    assert told(s3, bucket) == [rule]


def test_the_old_form(s3, bucket):
    rule = {"ID": "old", "Status": "Enabled", "Prefix": "logs/", "Expiration": {"Days": 3}}
    put(s3, bucket, rule)
    assert told(s3, bucket) == [rule]


def test_the_last_one_stands(s3, bucket):
    put(s3, bucket, RULE)
    other = {**RULE, "ID": "s", "Expiration": {"Days": 1}}
    put(s3, bucket, other, {**RULE, "ID": "t"})
    assert [rule["ID"] for rule in told(s3, bucket)] == ["s", "t"]


def test_rules_without_a_name_get_one(s3, bucket):
    rule = {name: value for name, value in RULE.items() if name != "ID"}
    put(s3, bucket, rule, rule, rule)
    names = [one["ID"] for one in told(s3, bucket)]
    assert len(set(names)) == 3
    assert all(0 < len(name) <= 255 for name in names)


@pytest.mark.parametrize("size", ["all_storage_classes_128K", "varies_by_storage_class"])
def test_the_smallest_size_that_moves(s3, bucket, size):
    answer = put(s3, bucket, RULE, TransitionDefaultMinimumObjectSize=size)
    assert answer["TransitionDefaultMinimumObjectSize"] == size
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["TransitionDefaultMinimumObjectSize"] == size


def test_another_smallest_size(s3, bucket, refused):
    error = refused(
        "InvalidRequest", 400, s3.put_bucket_lifecycle_configuration,
        Bucket=bucket, LifecycleConfiguration={"Rules": [RULE]}, TransitionDefaultMinimumObjectSize="none",
    )  # fmt: skip
    assert error["Message"] == "Invalid TransitionDefaultMinimumObjectSize found"


REFUSED = [
    ("InvalidArgument", {"Expiration": {"Days": 0}}, "'Days' for Expiration action must be a positive integer"),
    ("InvalidArgument", {"Expiration": {"Date": MIDNIGHT.replace(hour=12)}}, "'Date' must be at midnight GMT"),
    ("InvalidArgument", {"ID": "i" * 256}, "ID length should not exceed allowed limit of 255"),
    (
        "InvalidArgument",
        {"Expiration": {"Days": 30}, "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}]},
        "'Days' in the Expiration action for filter '(prefix=)' must be greater than 'Days' in the Transition action",
    ),
    (
        "InvalidRequest",
        {"Prefix": "p"},
        "Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter.",
    ),
    (
        "InvalidRequest",
        {
            "Expiration": {"ExpiredObjectDeleteMarker": True},
            "Filter": {"Tag": {"Key": "k", "Value": "v"}},
        },
        "ExpiredObjectDeleteMarker cannot be specified with Tags.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "members", "text"), REFUSED)
def test_refused_and_nothing_changed(s3, bucket, refused, code, members, text):
    put(s3, bucket, RULE)
    rule = {**RULE, **members}
    error = refused(
        code, 400, s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": [rule]}
    )
    assert error["Message"] == text
    assert told(s3, bucket) == [RULE]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<LifecycleConfiguration/>",
        b"<LifecycleConfiguration><Rule/></LifecycleConfiguration>",
        b"<LifecycleConfiguration><Rule><ID>",
        b"<Lifecycle><Rule/></Lifecycle>",
    ],
)
def test_malformed(raw, bucket, body):
    assert raw.request("PUT", f"/{bucket}", "lifecycle", body=body).told == (400, "MalformedXML")


def test_another_account(alice, bucket, refused):
    refused(
        "AccessDenied", 403, alice.put_bucket_lifecycle_configuration,
        Bucket=bucket, LifecycleConfiguration={"Rules": [RULE]},
    )  # fmt: skip


def test_no_such_bucket(s3, new_name, refused):
    refused(
        "NoSuchBucket", 404, s3.put_bucket_lifecycle_configuration,
        Bucket=new_name(), LifecycleConfiguration={"Rules": [RULE]},
    )  # fmt: skip
