"""DeleteBucketCors: all rules at once, whether there are any or not."""

RULES = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}


def test_delete(s3, anonymous, bucket, refused):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    asked = {"Origin": "http://a", "Access-Control-Request-Method": "GET"}
    assert anonymous.request("OPTIONS", f"/{bucket}/k", headers=asked).status == 200
    for _ in range(2):
        assert s3.delete_bucket_cors(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
        refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=bucket)
    assert anonymous.request("OPTIONS", f"/{bucket}/k", headers=asked).told == (403, "AccessForbidden")


def test_by_strangers(s3, alice, bucket, new_name, refused):
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    refused("AccessDenied", 403, alice.delete_bucket_cors, Bucket=bucket)
    refused("NoSuchBucket", 404, s3.delete_bucket_cors, Bucket=new_name())
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == RULES["CORSRules"]
