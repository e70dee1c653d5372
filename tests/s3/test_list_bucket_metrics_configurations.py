"""ListBucketMetricsConfigurations: by id, a hundred at a time."""

from configurations import METRICS, check_list


def test_list(s3, raw, bucket, refused):
    check_list(METRICS, s3, raw, bucket, refused)
