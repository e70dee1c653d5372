"""DeleteBucketAnalyticsConfiguration: one by its id; all of them go with the bucket."""

from configurations import ANALYTICS, check_delete


def test_delete(s3, bucket, refused):
    check_delete(ANALYTICS, s3, bucket, refused)
