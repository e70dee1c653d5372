"""GetBucketAcl: the document, in the order of S3."""

import pytest
from access import ALICE_CANONICAL, ALL_USERS

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


@pytest.fixture
def root_id(s3):
    return s3.list_buckets()["Owner"]["ID"]


def test_the_document(raw, s3, bucket, root_id):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_bucket_acl(Bucket=bucket, GrantFullControl=f'id="{ALICE_CANONICAL}"', GrantRead=f'uri="{ALL_USERS}"')
    answer = raw.request("GET", f"/{bucket}", "acl")
    assert answer.headers["content-type"] == "application/xml"
    assert [one.tag for one in answer.xml] == ["Owner", "AccessControlList"]
    owner, grants = answer.xml
    assert [one.tag for one in owner] == ["ID", "DisplayName"]
    assert owner[0].text == root_id
    assert [
        (grant[0].get(XSI_TYPE), [(one.tag, one.text) for one in grant[0]], grant[1].tag, grant[1].text) for grant in grants
    ] == [
        ("CanonicalUser", [("ID", ALICE_CANONICAL), ("DisplayName", "alice")], "Permission", "FULL_CONTROL"),
        ("Group", [("URI", ALL_USERS)], "Permission", "READ"),
    ]


@pytest.mark.parametrize("ownership", ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
def test_nothing_was_set(s3, bucket, root_id, ownership):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})
    found = s3.get_bucket_acl(Bucket=bucket)
    assert found["Owner"]["ID"] == root_id
    assert [(one["Grantee"]["Type"], one["Grantee"]["ID"], one["Permission"]) for one in found["Grants"]] == [
        ("CanonicalUser", root_id, "FULL_CONTROL")
    ]


def test_the_permission(s3, bucket, anonymous, alice, refused):
    assert anonymous.request("GET", f"/{bucket}", "acl").told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.get_bucket_acl, Bucket=bucket)
