"""What CreateBucket says about access: object ownership and ACLs."""

import pytest
from access import ALICE_CANONICAL, ALL_USERS, grants_of


@pytest.mark.parametrize("ownership", ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
def test_ownership(s3, new_name, ownership):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectOwnership=ownership)
    found = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert found == {"Rules": [{"ObjectOwnership": ownership}]}


@pytest.mark.parametrize("ownership", ["BucketOwnerPreferred", "ObjectWriter"])
def test_acls(s3, new_name, anonymous, ownership):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectOwnership=ownership, ACL="public-read")
    assert (ALL_USERS, "READ") in grants_of(s3.get_bucket_acl(Bucket=name))
    assert anonymous.request("GET", f"/{name}").status == 200


def test_grants(s3, alice, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectOwnership="ObjectWriter", GrantWrite=f'id="{ALICE_CANONICAL}"')
    assert grants_of(s3.get_bucket_acl(Bucket=name)) == [(ALICE_CANONICAL, "WRITE")]
    alice.put_object(Bucket=name, Key="k", Body=b"x")


@pytest.mark.parametrize("ownership", [{}, {"ObjectOwnership": "BucketOwnerEnforced"}])
@pytest.mark.parametrize("acl", [{"ACL": "public-read"}, {"ACL": "log-delivery-write"}, {"GrantRead": f'uri="{ALL_USERS}"'}])
def test_an_acl_for_others_wants_acls(s3, new_name, refused, ownership, acl):
    name = new_name()
    error = refused("InvalidBucketAclWithObjectOwnership", 400, s3.create_bucket, Bucket=name, **ownership, **acl)
    assert error["Message"] == "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    refused("404", 404, s3.head_bucket, Bucket=name)


@pytest.mark.parametrize("acl", ["private", "bucket-owner-full-control"])
def test_the_owner_s_own_acl(s3, new_name, acl):
    s3.create_bucket(Bucket=new_name(), ACL=acl)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-object-ownership": "Nobody"}, "InvalidArgument"), ({"x-amz-acl": "open"}, "InvalidArgument"),
        ({"x-amz-grant-read": "x"}, "InvalidArgument"),
        ({"x-amz-acl": "private", "x-amz-grant-read": f"id={ALICE_CANONICAL}"}, "InvalidRequest"),
    ],
)
def test_refused(raw, new_name, headers, code):
    assert raw.request("PUT", f"/{new_name()}", headers=headers).told == (400, code)


@pytest.mark.parametrize(
    ("name", "permission"),
    [
        *(("GrantRead", "READ"), ("GrantWrite", "WRITE"), ("GrantReadACP", "READ_ACP"), ("GrantWriteACP", "WRITE_ACP")),
        ("GrantFullControl", "FULL_CONTROL"),
    ],
)
def test_each_grant(s3, new_name, name, permission):
    bucket = new_name()
    s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter", **{name: f'id="{ALICE_CANONICAL}"'})
    assert grants_of(s3.get_bucket_acl(Bucket=bucket)) == [(ALICE_CANONICAL, permission)]


def test_a_namespace(s3, new_name):
    """There is one; to say so changes nothing."""
    name = new_name()
    s3.create_bucket(Bucket=name, BucketNamespace="global")
    assert s3.head_bucket(Bucket=name)["ResponseMetadata"]["HTTPStatusCode"] == 200
