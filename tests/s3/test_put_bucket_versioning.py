"""PutBucketVersioning: states, documents that are none, MFA delete; both gateways follow at once."""

import pytest


def status(s3, bucket):
    return s3.get_bucket_versioning(Bucket=bucket).get("Status")


def test_states(s3, bucket):
    assert status(s3, bucket) is None
    for state in ("Enabled", "Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})
        assert status(s3, bucket) == state


def test_both_gateways_follow_at_once(clients, bucket):
    """The state is decided at the commit, not by what a process remembers."""
    for state in ("Enabled", "Suspended", "Enabled"):
        clients[0].put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})
        for client in clients:
            assert status(client, bucket) == state
            version = client.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
            assert (version == "null") == (state == "Suspended")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<VersioningConfiguration/>", "IllegalVersioningConfigurationException"),
        (b"<VersioningConfiguration><Status>Off</Status></VersioningConfiguration>", "MalformedXML"),
        (b"<VersioningConfiguration><Status>Enabled</Status>", "MalformedXML"),
        (b"<Versioning><Status>Enabled</Status></Versioning>", "MalformedXML"),
    ],
)
def test_bad_documents(raw, s3, bucket, document, code):
    answer = raw.request("PUT", f"/{bucket}", "versioning", body=document)
    assert answer.told == (400, code)
    assert status(s3, bucket) is None


def test_mfa_delete_is_refused(s3, bucket, refused):
    configuration = {"Status": "Enabled", "MFADelete": "Enabled"}
    refused("NotImplemented", 501, s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=configuration)
    assert status(s3, bucket) is None
