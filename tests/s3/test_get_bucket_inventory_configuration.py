"""GetBucketInventoryConfiguration: what was put, in the order of the schema, or NoSuchConfiguration."""

from configurations import INVENTORY, check_get


def test_get(s3, raw, bucket, refused):
    check_get(INVENTORY, s3, raw, bucket, refused)
