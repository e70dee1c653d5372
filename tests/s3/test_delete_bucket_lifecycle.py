"""DeleteBucketLifecycle: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketLifecycle.html"""

RULE = {"ID": "r", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 9}}


def test_it_goes(s3, bucket, refused):
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [RULE]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert "Expiration" in s3.head_object(Bucket=bucket, Key="k")
    assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="k")


def test_nothing_to_delete(s3, bucket):
    for _ in range(2):
        assert s3.delete_bucket_lifecycle(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_other_configurations_stay(s3, lockable):
    s3.put_bucket_lifecycle_configuration(Bucket=lockable, LifecycleConfiguration={"Rules": [RULE]})
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=lockable, ObjectLockConfiguration=wanted)
    s3.delete_bucket_lifecycle(Bucket=lockable)
    assert s3.get_object_lock_configuration(Bucket=lockable)["ObjectLockConfiguration"] == wanted


def test_the_body_is_empty(raw, bucket):
    answer = raw.request("DELETE", f"/{bucket}", "lifecycle")
    assert (answer.status, answer.body) == (204, b"")


def test_no_such_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, s3.delete_bucket_lifecycle, Bucket=new_name())


def test_another_account(alice, bucket, refused):
    refused("AccessDenied", 403, alice.delete_bucket_lifecycle, Bucket=bucket)
