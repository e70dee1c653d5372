"""DeleteBucketIntelligentTieringConfiguration: one by its id; all of them go with the bucket."""

from configurations import TIERING, check_delete


def test_delete(s3, bucket, refused):
    check_delete(TIERING, s3, bucket, refused)
