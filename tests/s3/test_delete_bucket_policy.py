"""DeleteBucketPolicy: what it gave is gone at once."""

from access import everything, policy, statement


def test_gone(s3, raw, bucket, anonymous, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("GET", f"/{bucket}/k").status == 200
    answer = raw.request("DELETE", f"/{bucket}", "policy")
    assert (answer.status, answer.body) == (204, b"")
    assert anonymous.request("GET", f"/{bucket}/k").told == (403, "AccessDenied")
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=bucket)


def test_when_there_is_none(raw, bucket):
    assert raw.request("DELETE", f"/{bucket}", "policy").status == 204


def test_the_permission(s3, bucket, anonymous):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("DELETE", f"/{bucket}", "policy").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(everything(bucket)))
    assert anonymous.request("DELETE", f"/{bucket}", "policy").told == (405, "MethodNotAllowed")


def test_a_bucket_is_deleted_with_its_policy(s3, new_name, refused):
    name = new_name()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_policy(Bucket=name, Policy=policy(statement(name)))
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=name)
