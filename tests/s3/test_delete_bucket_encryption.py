"""DeleteBucketEncryption: new objects are plain again, old ones stay as they are."""

from encryption_kinds import shown


def test_deleted(s3, bucket, refused):
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    s3.put_object(Bucket=bucket, Key="old", Body=b"old")
    for _ in range(2):
        assert s3.delete_bucket_encryption(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("ServerSideEncryptionConfigurationNotFoundError", 404, s3.get_bucket_encryption, Bucket=bucket)
    assert shown(s3.put_object(Bucket=bucket, Key="new", Body=b"new")) == {}
    found = s3.get_object(Bucket=bucket, Key="old")
    assert (found["Body"].read(), shown(found)) == (b"old", {"ServerSideEncryption": "AES256"})


def test_of_no_bucket_and_of_another_account(s3, alice, bucket, new_name, refused):
    refused("NoSuchBucket", 404, s3.delete_bucket_encryption, Bucket=new_name())
    refused("AccessDenied", 403, alice.delete_bucket_encryption, Bucket=bucket)
