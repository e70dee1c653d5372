"""PutBucketReplication: a rule that would not be followed is refused, after what S3 refuses itself."""

import pytest


def configuration(bucket):
    rule = {"Status": "Enabled", "Priority": 1, "Filter": {}, "Destination": {"Bucket": f"arn:aws:s3:::{bucket}"}}
    return {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [{**rule, "DeleteMarkerReplication": {"Status": "Disabled"}}]}


def test_needs_versioning(s3, bucket, refused):
    error = refused(
        "InvalidRequest", 400, s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=configuration(bucket)
    )
    assert error["Message"] == "Versioning must be 'Enabled' on the bucket to apply a replication configuration"


def test_is_refused_and_not_kept(s3, versioned, refused):
    error = refused(
        "NotImplemented", 501, s3.put_bucket_replication, Bucket=versioned, ReplicationConfiguration=configuration(versioned)
    )
    assert error["Operation"] == "PutBucketReplication"
    refused("ReplicationConfigurationNotFoundError", 404, s3.get_bucket_replication, Bucket=versioned)
    s3.delete_bucket_replication(Bucket=versioned)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<ReplicationConfiguration/>", "MalformedXML"),
        (b"<ReplicationConfiguration><Role>r</Role></ReplicationConfiguration>", "MalformedXML"),
        (b"<ReplicationConfiguration><Role>r</Role><Rule/></ReplicationConfiguration>", "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, versioned, document, code):
    assert raw.request("PUT", f"/{versioned}", "replication", body=document).told == (400, code)


def test_by_strangers(alice, versioned, refused):
    refused(
        "AccessDenied", 403, alice.put_bucket_replication, Bucket=versioned, ReplicationConfiguration=configuration(versioned)
    )
