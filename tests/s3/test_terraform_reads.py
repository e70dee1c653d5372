"""What Terraform's aws provider reads of a bucket: fresh as S3 answers it, and whatever was set as it was set.

``aws_s3_bucket`` reads each sub-resource, and takes a status or a code that it does not know for a failure.
"""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError


def answer_of(s3, name, bucket, **more):
    """The answer's members, or (status, code)."""
    try:
        answer = getattr(s3, name)(Bucket=bucket, **more)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


FRESH = {
    "get_bucket_accelerate_configuration": {},
    "get_bucket_cors": (404, "NoSuchCORSConfiguration"),
    "get_bucket_versioning": {},
    "get_bucket_lifecycle_configuration": (404, "NoSuchLifecycleConfiguration"),
    "get_bucket_replication": (404, "ReplicationConfigurationNotFoundError"),
    "get_object_lock_configuration": (404, "ObjectLockConfigurationNotFoundError"),
    "get_bucket_tagging": (404, "NoSuchTagSet"),
    "get_bucket_request_payment": {"Payer": "BucketOwner"},
    "get_bucket_logging": {},
    "get_bucket_website": (404, "NoSuchWebsiteConfiguration"),
    "get_bucket_policy": (404, "NoSuchBucketPolicy"),
    "get_bucket_policy_status": (404, "NoSuchBucketPolicy"),
    "get_bucket_notification_configuration": {},
    "get_bucket_abac": {"AbacStatus": {"Status": "Disabled"}},
    "get_bucket_metadata_configuration": (404, "MetadataConfigurationNotFound"),
    "get_bucket_metadata_table_configuration": (404, "MetadataConfigurationNotFound"),
    "list_bucket_inventory_configurations": {"IsTruncated": False},
    "list_bucket_analytics_configurations": {"IsTruncated": False},
    "list_bucket_metrics_configurations": {"IsTruncated": False},
    "list_bucket_intelligent_tiering_configurations": {"IsTruncated": False},
}
# Their answers on a fresh bucket are an installation's to choose: a default encryption, the ownership and the block of new buckets.
CHOSEN = {
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_ownership_controls": "OwnershipControlsNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
}
WITH_ID = ("inventory", "analytics", "metrics", "intelligent_tiering")


@pytest.mark.parametrize("name", FRESH)
def test_a_fresh_bucket(s3, bucket, name):
    assert answer_of(s3, name, bucket) == FRESH[name]


@pytest.mark.parametrize("name", CHOSEN)
def test_what_an_installation_chooses(s3, bucket, name):
    answer = answer_of(s3, name, bucket)
    assert isinstance(answer, dict) or answer == (404, CHOSEN[name])


@pytest.mark.parametrize("kind", WITH_ID)
def test_one_by_its_id(s3, bucket, kind):
    assert answer_of(s3, f"get_bucket_{kind}_configuration", bucket, Id="x") == (404, "NoSuchConfiguration")


def test_where_and_whose(s3, bucket):
    assert answer_of(s3, "get_bucket_location", bucket) == {"LocationConstraint": None}
    head = s3.head_bucket(Bucket=bucket)
    assert head["BucketRegion"] == "us-east-1"
    owner = s3.list_buckets()["Owner"]["ID"]
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Owner"]["ID"] == owner
    assert [(grant["Grantee"]["ID"], grant["Permission"]) for grant in acl["Grants"]] == [(owner, "FULL_CONTROL")]


def test_no_bucket_is_told_as_such(s3, new_name):
    """Terraform takes NoSuchBucket for "destroyed elsewhere"; anything else stops it."""
    name = new_name()
    for reading in (*FRESH, *CHOSEN, "get_bucket_location", "get_bucket_acl"):
        assert answer_of(s3, reading, name) == (404, "NoSuchBucket"), reading


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{}/public/*"}
    ],
}
TAG_SET = [{"Key": "team", "Value": "red"}]
CORS_RULES = [{"ID": "r", "AllowedMethods": ["GET"], "AllowedOrigins": ["https://a"], "MaxAgeSeconds": 5}]
SITE = {
    "IndexDocument": {"Suffix": "index.html"},
    "ErrorDocument": {"Key": "error.html"},
    "RoutingRules": [{"Condition": {"KeyPrefixEquals": "a/"}, "Redirect": {"ReplaceKeyPrefixWith": "b/"}}],
}

# (to set, with what; to read, what is read; to remove; what is read then)
ROUND_TRIPS = [
    (
        "put_bucket_accelerate_configuration",
        {"AccelerateConfiguration": {"Status": "Enabled"}},
        "get_bucket_accelerate_configuration",
        {"Status": "Enabled"},
        None,
    ),
    (
        "put_bucket_cors",
        {"CORSConfiguration": {"CORSRules": CORS_RULES}},
        "get_bucket_cors",
        {"CORSRules": CORS_RULES},
        "delete_bucket_cors",
    ),
    (
        "put_bucket_versioning",
        {"VersioningConfiguration": {"Status": "Enabled"}},
        "get_bucket_versioning",
        {"Status": "Enabled"},
        None,
    ),
    ("put_bucket_tagging", {"Tagging": {"TagSet": TAG_SET}}, "get_bucket_tagging", {"TagSet": TAG_SET}, "delete_bucket_tagging"),
    (
        "put_bucket_request_payment",
        {"RequestPaymentConfiguration": {"Payer": "Requester"}},
        "get_bucket_request_payment",
        {"Payer": "Requester"},
        None,
    ),
    ("put_bucket_website", {"WebsiteConfiguration": SITE}, "get_bucket_website", SITE, "delete_bucket_website"),
]


@pytest.mark.parametrize(("write", "given", "read", "expected", "remove"), ROUND_TRIPS, ids=[one[0] for one in ROUND_TRIPS])
def test_round_trips(s3, bucket, write, given, read, expected, remove):
    for _ in range(2):  # Terraform applies again and wants no difference
        getattr(s3, write)(Bucket=bucket, **given)
        assert answer_of(s3, read, bucket) == expected
    if remove is not None:
        getattr(s3, remove)(Bucket=bucket)
        assert answer_of(s3, read, bucket) == FRESH[read]
        getattr(s3, remove)(Bucket=bucket)


def test_a_policy(s3, bucket):
    text = json.dumps(POLICY).replace("{}", bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(text)
    s3.delete_bucket_policy(Bucket=bucket)
    assert answer_of(s3, "get_bucket_policy", bucket) == (404, "NoSuchBucketPolicy")


def test_settings_do_not_disturb_each_other(s3, bucket):
    """All of them in one record, changed one at a time."""
    for write, given, *_ in ROUND_TRIPS:
        getattr(s3, write)(Bucket=bucket, **given)
    for _, _, read, expected, _ in ROUND_TRIPS:
        assert answer_of(s3, read, bucket) == expected, read
    for *_, remove in ROUND_TRIPS:
        if remove is not None:
            getattr(s3, remove)(Bucket=bucket)
    assert answer_of(s3, "get_bucket_versioning", bucket) == {"Status": "Enabled"}
    assert answer_of(s3, "get_bucket_request_payment", bucket) == {"Payer": "Requester"}
    assert answer_of(s3, "get_bucket_website", bucket) == FRESH["get_bucket_website"]


def test_at_the_same_time(clients, s3, bucket):
    """Terraform sets several at once: none is lost."""
    def apply(number):
        write, given, *_ = ROUND_TRIPS[number]
        getattr(clients[number], write)(Bucket=bucket, **given)

    with ThreadPoolExecutor(len(ROUND_TRIPS)) as pool:
        list(pool.map(apply, range(len(ROUND_TRIPS))))
    for _, _, read, expected, _ in ROUND_TRIPS:
        assert answer_of(s3, read, bucket) == expected, read


def test_a_destroyed_bucket_leaves_nothing(s3, bucket):
    for write, given, *_ in ROUND_TRIPS:
        getattr(s3, write)(Bucket=bucket, **given)
    s3.delete_bucket(Bucket=bucket)
    s3.create_bucket(Bucket=bucket)
    for name, expected in FRESH.items():
        assert answer_of(s3, name, bucket) == expected, name
