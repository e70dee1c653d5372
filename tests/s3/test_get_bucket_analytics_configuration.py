"""GetBucketAnalyticsConfiguration: what was put, in the order of the schema, or NoSuchConfiguration."""

from configurations import ANALYTICS, check_get


def test_get(s3, raw, bucket, refused):
    check_get(ANALYTICS, s3, raw, bucket, refused)
