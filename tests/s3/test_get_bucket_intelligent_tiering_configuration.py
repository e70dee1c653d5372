"""GetBucketIntelligentTieringConfiguration: what was put, in the order of the schema, or NoSuchConfiguration."""

from configurations import TIERING, check_get


def test_get(s3, raw, bucket, refused):
    check_get(TIERING, s3, raw, bucket, refused)
