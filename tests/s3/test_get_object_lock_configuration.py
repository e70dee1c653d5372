"""GetObjectLockConfiguration: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectLockConfiguration.html"""

import pytest

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
ENABLED = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"


@pytest.mark.parametrize(
    ("default", "rule"),
    [
        (None, ""),
        ({"Mode": "GOVERNANCE", "Days": 7}, "<Mode>GOVERNANCE</Mode><Days>7</Days>"),
        ({"Mode": "COMPLIANCE", "Years": 2}, "<Mode>COMPLIANCE</Mode><Years>2</Years>"),
    ],
)
def test_the_document(raw, s3, lockable, default, rule):
    if default:
        wanted = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}
        s3.put_object_lock_configuration(Bucket=lockable, ObjectLockConfiguration=wanted)
        rule = f"<Rule><DefaultRetention>{rule}</DefaultRetention></Rule>"
    answer = raw.request("GET", f"/{lockable}", "object-lock")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.body.decode() == f"{HEAD}{ENABLED}{rule}</ObjectLockConfiguration>"


def test_without_object_lock(s3, bucket, refused):
    error = refused("ObjectLockConfigurationNotFoundError", 404, s3.get_object_lock_configuration, Bucket=bucket)
    assert error["Message"] == "Object Lock configuration does not exist for this bucket"
    assert error["BucketName"] == bucket


def test_no_such_bucket(s3, new_name, refused):
    refused("NoSuchBucket", 404, s3.get_object_lock_configuration, Bucket=new_name())


def test_another_account(alice, lockable, refused):
    refused("AccessDenied", 403, alice.get_object_lock_configuration, Bucket=lockable)
