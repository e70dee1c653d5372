"""DeleteBucketMetricsConfiguration: one by its id; all of them go with the bucket."""

from configurations import METRICS, check_delete


def test_delete(s3, bucket, refused):
    check_delete(METRICS, s3, bucket, refused)
