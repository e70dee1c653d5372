"""ListBucketAnalyticsConfigurations: by id, a hundred at a time."""

from configurations import ANALYTICS, check_list


def test_list(s3, raw, bucket, refused):
    check_list(ANALYTICS, s3, raw, bucket, refused)
