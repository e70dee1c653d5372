"""GetObjectAcl: the document, and who may read it."""

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, everything, grants_of, policy, statement


@pytest.fixture
def root_id(s3):
    return s3.list_buckets()["Owner"]["ID"]


def test_the_document(raw, s3, bucket, root_id):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = raw.request("GET", f"/{bucket}/k", "acl")
    assert answer.headers["content-type"] == "application/xml"
    assert (answer.xml.tag, [one.tag for one in answer.xml]) == ("AccessControlPolicy", ["Owner", "AccessControlList"])
    assert answer.xml[0][0].text == root_id


def test_of_a_version(s3, versioned):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    answer = s3.get_object_acl(Bucket=versioned, Key="k", VersionId=version)
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"] == version


def test_of_an_object_of_another_account(s3, alice, bucket, root_id, refused):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(everything(bucket, Principal={"AWS": ALICE_ACCOUNT})))
    alice.put_object(Bucket=bucket, Key="k", Body=b"x")
    found = alice.get_object_acl(Bucket=bucket, Key="k")
    assert (found["Owner"]["ID"], found["Owner"]["DisplayName"]) == (ALICE_CANONICAL, "alice")
    assert grants_of(found) == [(ALICE_CANONICAL, "FULL_CONTROL")]
    refused("AccessDenied", 403, s3.get_object_acl, Bucket=bucket, Key="k")
    alice.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-read")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    refused("AccessDenied", 403, s3.get_object_acl, Bucket=bucket, Key="k")
    alice.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    assert grants_of(s3.get_object_acl(Bucket=bucket, Key="k")) == [(ALICE_CANONICAL, "FULL_CONTROL"), (root_id, "FULL_CONTROL")]


def test_what_is_not_there(s3, bucket, refused):
    refused("NoSuchKey", 404, s3.get_object_acl, Bucket=bucket, Key="none")


def test_the_permission(s3, bucket, anonymous, alice, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("GET", f"/{bucket}/k", "acl").told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.get_object_acl, Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:GetObjectAcl")))
    assert anonymous.request("GET", f"/{bucket}/k", "acl").status == 200
    version = "versionId=null"
    assert anonymous.request("GET", f"/{bucket}/k", f"acl&{version}").told == (403, "AccessDenied")  # GetObjectVersionAcl
