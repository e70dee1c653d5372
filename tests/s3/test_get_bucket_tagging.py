"""GetBucketTagging: the set in its order, or NoSuchTagSet."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def test_the_document(s3, raw, bucket):
    tag_set = [{"Key": "b", "Value": "x y"}, {"Key": "a", "Value": ""}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set})
    answer = raw.request("GET", f"/{bucket}", "tagging")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.body.decode() == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Tagging xmlns="{NAMESPACE}"><TagSet>'
        "<Tag><Key>b</Key><Value>x y</Value></Tag><Tag><Key>a</Key><Value></Value></Tag></TagSet></Tagging>"
    )


def test_never_set(s3, bucket, refused):
    error = refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)
    assert (error["Message"], error["BucketName"]) == ("The TagSet does not exist", bucket)


def test_by_strangers(alice, bob, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_tagging, Bucket=bucket)
    refused("NoSuchBucket", 404, bob.get_bucket_tagging, Bucket=bucket)
