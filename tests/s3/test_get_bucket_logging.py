"""GetBucketLogging: the document as S3 writes it."""

import pytest
from dev_server import ALICE
from raw_s3 import RawS3

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
EMPTY = f'{HEAD}<BucketLoggingStatus xmlns="{NAMESPACE}"></BucketLoggingStatus>'
ALICE_ID = "a" * 64


def get(raw, bucket, headers=None):
    return raw.request("GET", f"/{bucket}", query=[("logging", "")], headers=headers)


def test_never_configured(raw, bucket):
    answer = get(raw, bucket)
    assert (answer.status, answer.body.decode()) == (200, EMPTY)
    assert answer.headers["content-type"] == "application/xml"


def test_turned_off_again(s3, raw, bucket):
    enabled = {"TargetBucket": bucket, "TargetPrefix": ""}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert get(raw, bucket).body.decode() == EMPTY


def test_the_whole_document(s3, raw, new_name):
    bucket = new_name()
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter")
    s3.put_bucket_logging(
        Bucket=bucket,
        BucketLoggingStatus={
            "LoggingEnabled": {
                "TargetBucket": bucket,
                "TargetPrefix": "a&b/",
                "TargetGrants": [{"Grantee": {"Type": "CanonicalUser", "ID": ALICE_ID}, "Permission": "READ"}],
                "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}},
            }
        },
    )
    assert get(raw, bucket).body.decode() == (
        f'{HEAD}<BucketLoggingStatus xmlns="{NAMESPACE}"><LoggingEnabled><TargetBucket>{bucket}</TargetBucket><TargetGrants><Grant>'
        '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">'
        f"<ID>{ALICE_ID}</ID><DisplayName>alice</DisplayName></Grantee><Permission>READ</Permission></Grant></TargetGrants><TargetPrefix>a&amp;b/</TargetPrefix>"
        "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix>"
        "</TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>"
    )


def test_the_target_may_be_gone(s3, bucket, new_name):
    target = new_name()
    s3.create_bucket(Bucket=target)
    enabled = {"TargetBucket": target, "TargetPrefix": "logs/"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
    s3.delete_bucket(Bucket=target)
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == enabled


@pytest.mark.parametrize("keys", [None, ALICE])
def test_others_may_not(server, bucket, keys):
    assert get(RawS3(server.port, keys), bucket).told == (403, "AccessDenied")


@pytest.mark.parametrize(("owner", "status"), [("000000000000", 200), ("111111111111", 403)])
def test_the_expected_owner(raw, bucket, owner, status):
    assert get(raw, bucket, {"x-amz-expected-bucket-owner": owner}).status == status


def test_bucket_that_is_not_there(raw):
    answer = get(raw, "no-such-bucket-of-anybody")
    assert answer.told == (404, "NoSuchBucket")
    assert answer.error["BucketName"] == "no-such-bucket-of-anybody"
