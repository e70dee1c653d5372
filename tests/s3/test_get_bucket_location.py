"""GetBucketLocation: empty in us-east-1."""

import xml.etree.ElementTree as ET

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


def test_location_of_us_east_1_is_empty(s3, raw, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    root = ET.fromstring(raw.request("GET", f"/{bucket}", "location").body)
    assert root.tag == "{http://s3.amazonaws.com/doc/2006-03-01/}LocationConstraint"
    assert not root.text


def test_location_of_nothing(s3, refused, new_name):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_bucket_location, Bucket=name)["BucketName"] == name


@pytest.mark.parametrize(("given", "status"), [("us-east-1", 200), ("EU", 200), ("eu-west-1", 400), ("nowhere", 400)])
def test_what_a_bucket_was_made_with(raw, new_name, given, status):
    """One region here: its name, the old word EU and the default are taken."""
    name = new_name()
    body = f"<CreateBucketConfiguration><LocationConstraint>{given}</LocationConstraint></CreateBucketConfiguration>".encode()
    created = raw.request("PUT", f"/{name}", body=body)
    assert created.status == status, created.body
    told = raw.request("GET", f"/{name}", "location")
    assert told.status == (200 if status == 200 else 404)
    assert status == 400 or told.xml.text is None


def test_the_permission(s3, alice, anonymous, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_location, Bucket=bucket)
    assert anonymous.request("GET", f"/{bucket}", "location").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetBucketLocation", **named)))
    assert alice.get_bucket_location(Bucket=bucket, ExpectedBucketOwner=ROOT_ACCOUNT)["LocationConstraint"] is None
    refused("AccessDenied", 403, s3.get_bucket_location, Bucket=bucket, ExpectedBucketOwner=ALICE_ACCOUNT)
