"""DeleteBucketWebsite: whether there is one or not."""

SITE = {"IndexDocument": {"Suffix": "index.html"}}


def test_delete(s3, bucket, refused):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    for _ in range(2):
        assert s3.delete_bucket_website(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
        refused("NoSuchWebsiteConfiguration", 404, s3.get_bucket_website, Bucket=bucket)


def test_by_strangers(s3, alice, bucket, new_name, refused):
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=SITE)
    refused("AccessDenied", 403, alice.delete_bucket_website, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket_website, Bucket=new_name())
    assert s3.get_bucket_website(Bucket=bucket)["IndexDocument"] == SITE["IndexDocument"]
