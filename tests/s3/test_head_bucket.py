"""HeadBucket and GetBucketLocation."""

import xml.etree.ElementTree as ET


def test_head_tells_the_region(s3, bucket):
    answer = s3.head_bucket(Bucket=bucket)
    assert answer["BucketRegion"] == "us-east-1"
    assert answer["AccessPointAlias"] is False
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_head_of_nothing_has_no_body(raw, new_name):
    answer = raw.request("HEAD", f"/{new_name()}")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]


def test_location_of_us_east_1_is_empty(s3, raw, bucket):
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    root = ET.fromstring(raw.request("GET", f"/{bucket}", "location").body)
    assert root.tag == "{http://s3.amazonaws.com/doc/2006-03-01/}LocationConstraint"
    assert not root.text


def test_location_of_nothing(s3, refused, new_name):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_bucket_location, Bucket=name)["BucketName"] == name


def test_expected_owner(s3, bucket, refused):
    refused("403", 403, s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="111111111111")
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111")
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="111111111111")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
