"""DeleteBucketOwnershipControls: the writer owns what it writes, ACLs count."""


def test_gone(s3, raw, bucket, anonymous, refused):
    answer = raw.request("DELETE", f"/{bucket}", "ownershipControls")
    assert (answer.status, answer.body) == (204, b"")
    error = refused("OwnershipControlsNotFoundError", 404, s3.get_bucket_ownership_controls, Bucket=bucket)
    assert error["Message"] == "The bucket ownership controls were not found"
    assert error["BucketName"] == bucket
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    assert anonymous.request("GET", f"/{bucket}/k").body == b"x"
    assert raw.request("DELETE", f"/{bucket}", "ownershipControls").status == 204


def test_the_permission(bucket, anonymous):
    assert anonymous.request("DELETE", f"/{bucket}", "ownershipControls").told == (403, "AccessDenied")
