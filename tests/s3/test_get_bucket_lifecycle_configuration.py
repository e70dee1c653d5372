"""GetBucketLifecycleConfiguration: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html"""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'


def test_the_document(raw, bucket):
    """Elements in the order of S3's schema, whatever the order they came in; names and prefixes as they were."""
    rule = (
        "<Rule><Status>Enabled</Status>"
        "<Filter><And><Tag><Key>k</Key><Value>a&amp;b</Value></Tag><Prefix>p &lt;</Prefix></And></Filter>"
        "<ID>one &amp; only</ID><NoncurrentVersionExpiration><NewerNoncurrentVersions>2</NewerNoncurrentVersions>"
        "<NoncurrentDays>7</NoncurrentDays></NoncurrentVersionExpiration>"
        "<Transition><StorageClass>GLACIER</StorageClass><Days>1</Days></Transition>"
        "<Transition><StorageClass>DEEP_ARCHIVE</StorageClass><Days>2</Days></Transition>"
        "<Expiration><Days>3</Days></Expiration></Rule>"
    )
    document = f"<LifecycleConfiguration>{rule}</LifecycleConfiguration>".encode()
    assert raw.request("PUT", f"/{bucket}", "lifecycle", body=document).status == 200
    answer = raw.request("GET", f"/{bucket}", "lifecycle")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["x-amz-transition-default-minimum-object-size"] == "all_storage_classes_128K"
    assert answer.body.decode() == (
        f"{HEAD}<Rule><Expiration><Days>3</Days></Expiration><ID>one &amp; only</ID>"
        "<Filter><And><Prefix>p &lt;</Prefix><Tag><Key>k</Key><Value>a&amp;b</Value></Tag></And></Filter>"
        "<Status>Enabled</Status><Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>"
        "<Transition><Days>2</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>"
        "<NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays>"
        "<NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
    )


def test_a_date_and_an_empty_filter(raw, bucket):
    rule = (
        "<Rule><ID>r</ID><Filter/><Status>Disabled</Status><Expiration><Date>2100-01-01T00:00:00.000Z</Date></Expiration></Rule>"
    )
    document = f"<LifecycleConfiguration>{rule}</LifecycleConfiguration>".encode()
    assert raw.request("PUT", f"/{bucket}", "lifecycle", body=document).status == 200
    told = raw.request("GET", f"/{bucket}", "lifecycle").xml.find("Rule")
    assert told.find("Filter") is not None
    assert (told.findtext("Expiration/Date"), told.findtext("Status")) == ("2100-01-01T00:00:00.000Z", "Disabled")


def test_never_set(s3, bucket, refused):
    error = refused("NoSuchLifecycleConfiguration", 404, s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    assert error["Message"] == "The lifecycle configuration does not exist"
    assert error["BucketName"] == bucket


def test_no_such_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, s3.get_bucket_lifecycle_configuration, Bucket=new_name())


def test_another_account(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_lifecycle_configuration, Bucket=bucket)
