"""PutBucketMetricsConfiguration: kept as it came, by its id."""

from configurations import METRICS, check_bad_documents, check_bad_ids, check_put, check_strangers


def test_round_trips(s3, bucket):
    check_put(METRICS, s3, bucket)


def test_ids(s3, bucket, refused):
    check_bad_ids(METRICS, s3, bucket, refused)


def test_documents_that_are_none(raw, bucket):
    bodies = []
    for inner in ("", "<Prefix>a</Prefix><AccessPointArn>b</AccessPointArn>", "<Tag><Key>a</Key></Tag>"):
        text = f"<MetricsConfiguration><Id>x</Id><Filter>{inner}</Filter></MetricsConfiguration>"
        bodies.append(text.encode())
    check_bad_documents(METRICS, raw, bucket, bodies)


def test_strangers(alice, bucket, refused):
    check_strangers(METRICS, alice, bucket, refused)
