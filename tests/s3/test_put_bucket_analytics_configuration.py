"""PutBucketAnalyticsConfiguration: kept as it came, by its id."""

from configurations import ANALYTICS, check_bad_documents, check_bad_ids, check_put, check_strangers


def test_round_trips(s3, bucket):
    check_put(ANALYTICS, s3, bucket)


def test_ids(s3, bucket, refused):
    check_bad_ids(ANALYTICS, s3, bucket, refused)


def test_documents_that_are_none(raw, bucket):
    bodies = []
    bodies.append(b"<AnalyticsConfiguration><Id>x</Id></AnalyticsConfiguration>")
    export = "<DataExport><OutputSchemaVersion>{}</OutputSchemaVersion></DataExport>"
    for inner in (export.format("V_2"), export.format("V_1")):
        text = f"<AnalyticsConfiguration><Id>x</Id><StorageClassAnalysis>{inner}</StorageClassAnalysis></AnalyticsConfiguration>"
        bodies.append(text.encode())
    for inner in ("", "<Prefix>a</Prefix><Tag><Key>a</Key><Value>b</Value></Tag>"):
        text = f"<Id>x</Id><Filter>{inner}</Filter><StorageClassAnalysis/>"
        bodies.append(f"<AnalyticsConfiguration>{text}</AnalyticsConfiguration>".encode())
    check_bad_documents(ANALYTICS, raw, bucket, bodies)


def test_strangers(alice, bucket, refused):
    check_strangers(ANALYTICS, alice, bucket, refused)


def test_a_destination_that_is_no_bucket(s3, bucket, refused):
    export = {"OutputSchemaVersion": "V_1", "Destination": {"S3BucketDestination": {"Format": "CSV", "Bucket": "reports"}}}
    document = {"Id": "x", "StorageClassAnalysis": {"DataExport": export}}
    call = s3.put_bucket_analytics_configuration
    refused("InvalidS3DestinationBucket", 400, call, Bucket=bucket, Id="x", AnalyticsConfiguration=document)
