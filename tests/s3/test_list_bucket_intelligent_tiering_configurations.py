"""ListBucketIntelligentTieringConfigurations: by id, a hundred at a time."""

from configurations import TIERING, check_list


def test_list(s3, raw, bucket, refused):
    check_list(TIERING, s3, raw, bucket, refused)
