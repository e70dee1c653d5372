"""GetBucketVersioning: nothing before the first PutBucketVersioning, then the state; never MFA delete."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def test_of_a_new_bucket(s3, raw, bucket):
    answer = s3.get_bucket_versioning(Bucket=bucket)
    assert not {"Status", "MFADelete"} & answer.keys()
    answer = raw.request("GET", f"/{bucket}", "versioning")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.xml.tag == "VersioningConfiguration"
    assert list(answer.xml) == []


@pytest.mark.parametrize("state", ["Enabled", "Suspended"])
def test_states(s3, raw, bucket, state):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": state})
    answer = s3.get_bucket_versioning(Bucket=bucket)
    assert (answer["Status"], answer.get("MFADelete")) == (state, None)
    body = raw.request("GET", f"/{bucket}", "versioning").body.decode()
    assert body.partition("\n")[2] == (
        f'<VersioningConfiguration xmlns="{NAMESPACE}"><Status>{state}</Status></VersioningConfiguration>'
    )


def test_a_bucket_with_object_lock_has_it(s3, lockable):
    assert s3.get_bucket_versioning(Bucket=lockable)["Status"] == "Enabled"


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    assert refused("NoSuchBucket", 404, s3.get_bucket_versioning, Bucket=name)["BucketName"] == name


def test_the_permission(s3, alice, anonymous, versioned, refused):
    refused("AccessDenied", 403, alice.get_bucket_versioning, Bucket=versioned)
    assert anonymous.request("GET", f"/{versioned}", "versioning").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{versioned}"}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action="s3:GetBucketVersioning", **named)))
    assert alice.get_bucket_versioning(Bucket=versioned, ExpectedBucketOwner=ROOT_ACCOUNT)["Status"] == "Enabled"
    refused("AccessDenied", 403, s3.get_bucket_versioning, Bucket=versioned, ExpectedBucketOwner=ALICE_ACCOUNT)
