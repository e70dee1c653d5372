"""DeletePublicAccessBlock: nothing is blocked any more."""

from access import policy, statement


def test_gone(s3, raw, bucket, anonymous, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert anonymous.request("GET", f"/{bucket}/k").told == (403, "AccessDenied")
    answer = raw.request("DELETE", f"/{bucket}", "publicAccessBlock")
    assert (answer.status, answer.body) == (204, b"")
    assert anonymous.request("GET", f"/{bucket}/k").status == 200
    refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)


def test_when_there_is_none(raw, bucket):
    assert raw.request("DELETE", f"/{bucket}", "publicAccessBlock").status == 204


def test_the_permission(bucket, anonymous):
    assert anonymous.request("DELETE", f"/{bucket}", "publicAccessBlock").told == (403, "AccessDenied")
