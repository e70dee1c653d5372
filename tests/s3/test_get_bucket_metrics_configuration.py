"""GetBucketMetricsConfiguration: what was put, in the order of the schema, or NoSuchConfiguration."""

from configurations import METRICS, check_get


def test_get(s3, raw, bucket, refused):
    check_get(METRICS, s3, raw, bucket, refused)
