"""DeleteBucketInventoryConfiguration: one by its id; all of them go with the bucket."""

from configurations import INVENTORY, check_delete


def test_delete(s3, bucket, refused):
    check_delete(INVENTORY, s3, bucket, refused)
