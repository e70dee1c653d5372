"""HeadBucket and GetBucketLocation."""


def test_head_tells_the_region(s3, bucket):
    answer = s3.head_bucket(Bucket=bucket)
    assert answer["BucketRegion"] == "us-east-1"
    assert answer["AccessPointAlias"] is False
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_head_of_nothing_has_no_body(raw, new_name):
    answer = raw.request("HEAD", f"/{new_name()}")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.headers["x-amz-request-id"]


def test_expected_owner(s3, bucket, refused):
    refused("403", 403, s3.head_bucket, Bucket=bucket, ExpectedBucketOwner="111111111111")
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=bucket, ExpectedBucketOwner="111111111111")
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="111111111111")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
