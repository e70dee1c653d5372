"""GetBucketCors: the rules in the order of the schema, or NoSuchCORSConfiguration."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def test_the_document(s3, raw, bucket):
    one = {
        "MaxAgeSeconds": 5,
        "ExposeHeaders": ["ETag", "x-amz-id-2"],
        "AllowedOrigins": ["http://a", "*"],
        "AllowedMethods": ["PUT", "GET"],
        "AllowedHeaders": ["*"],
        "ID": "one",
    }
    two = {"AllowedMethods": ["HEAD"], "AllowedOrigins": ["http://b?a&b"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [one, two]})
    answer = raw.request("GET", f"/{bucket}", "cors")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.body.decode() == (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<CORSConfiguration xmlns="{NAMESPACE}">'
        "<CORSRule><ID>one</ID><AllowedHeader>*</AllowedHeader><AllowedMethod>PUT</AllowedMethod>"
        "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>http://a</AllowedOrigin><AllowedOrigin>*</AllowedOrigin>"
        "<ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-id-2</ExposeHeader><MaxAgeSeconds>5</MaxAgeSeconds></CORSRule>"
        "<CORSRule><AllowedMethod>HEAD</AllowedMethod><AllowedOrigin>http://b?a&amp;b</AllowedOrigin></CORSRule>"
        "</CORSConfiguration>"
    )


def test_never_set(s3, bucket, refused):
    error = refused("NoSuchCORSConfiguration", 404, s3.get_bucket_cors, Bucket=bucket)
    assert (error["Message"], error["BucketName"]) == ("The CORS configuration does not exist", bucket)


def test_by_strangers(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_cors, Bucket=bucket)
