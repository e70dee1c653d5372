"""ListBucketInventoryConfigurations: by id, a hundred at a time."""

from configurations import INVENTORY, check_list


def test_list(s3, raw, bucket, refused):
    check_list(INVENTORY, s3, raw, bucket, refused)
