"""DeleteBucketTagging: all tags at once, whether there are any or not."""


def test_delete(s3, bucket, refused):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    for _ in range(2):
        assert s3.delete_bucket_tagging(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
        refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)


def test_by_strangers(s3, alice, bucket, new_name, refused):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    refused("AccessDenied", 403, alice.delete_bucket_tagging, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket_tagging, Bucket=new_name())
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "1"}]
