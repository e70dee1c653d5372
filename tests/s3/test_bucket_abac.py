"""GetBucketAbac and PutBucketAbac: tags of buckets grant nothing, and nothing else can be set."""

import pytest

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def test_disabled(s3, raw, bucket):
    expected = f'<AbacStatus xmlns="{NAMESPACE}"><Status>Disabled</Status></AbacStatus>'
    for _ in range(2):
        assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
        answer = raw.request("GET", f"/{bucket}", "abac")
        assert (answer.status, answer.body.decode().partition("\n")[2]) == (200, expected)
        s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Disabled"})


def test_enabled_is_refused(s3, bucket, refused):
    error = refused("NotImplemented", 501, s3.put_bucket_abac, Bucket=bucket, AbacStatus={"Status": "Enabled"})
    assert error["Operation"] == "PutBucketAbac"
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})


@pytest.mark.parametrize("document", [b"<AbacStatus/>", b"<AbacStatus><Status>On</Status></AbacStatus>", b"<Abac/>"])
def test_documents_that_are_none(raw, bucket, document):
    assert raw.request("PUT", f"/{bucket}", "abac", body=document).told == (400, "MalformedXML")


def test_by_strangers(alice, bucket, refused):
    refused("AccessDenied", 403, alice.get_bucket_abac, Bucket=bucket)
    refused("AccessDenied", 403, alice.put_bucket_abac, Bucket=bucket, AbacStatus={"Status": "Disabled"})
