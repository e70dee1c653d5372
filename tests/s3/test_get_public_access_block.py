"""GetPublicAccessBlock: the document, and that a new bucket has none."""


def test_a_new_bucket_blocks_nothing(s3, bucket, refused):
    """AWS turns all four on since April 2023; we do not (see handlers/public_access.py)."""
    error = refused("NoSuchPublicAccessBlockConfiguration", 404, s3.get_public_access_block, Bucket=bucket)
    assert error["Message"] == "The public access block configuration was not found"
    assert error["BucketName"] == bucket


def test_the_document(raw, s3, bucket):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    answer = raw.request("GET", f"/{bucket}", "publicAccessBlock")
    assert answer.headers["content-type"] == "application/xml"
    assert (answer.status, answer.xml.tag) == (200, "PublicAccessBlockConfiguration")
    assert [(one.tag, one.text) for one in answer.xml] == [
        ("BlockPublicAcls", "false"),
        ("IgnorePublicAcls", "true"),
        ("BlockPublicPolicy", "false"),
        ("RestrictPublicBuckets", "false"),
    ]


def test_the_permission(bucket, anonymous, alice, refused):
    assert anonymous.request("GET", f"/{bucket}", "publicAccessBlock").told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.get_public_access_block, Bucket=bucket)
