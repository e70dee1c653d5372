"""PutBucketOwnershipControls: who owns what is written, and whether ACLs count."""

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, LOG_DELIVERY, everything, grants_of, policy


def own(s3, bucket, ownership):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": ownership}]})


@pytest.fixture
def shared(s3, bucket):
    """Alice may do everything here."""
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(everything(bucket, Principal={"AWS": ALICE_ACCOUNT})))
    return bucket


@pytest.fixture
def root_id(s3):
    return s3.list_buckets()["Owner"]["ID"]


@pytest.mark.parametrize("ownership", ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
def test_stored(s3, bucket, ownership):
    own(s3, bucket, ownership)
    found = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert found == {"Rules": [{"ObjectOwnership": ownership}]}


@pytest.mark.parametrize(
    ("ownership", "acl", "alices"),
    [
        ("BucketOwnerEnforced", None, False),
        ("BucketOwnerEnforced", "bucket-owner-full-control", False),
        ("BucketOwnerPreferred", None, True),
        ("BucketOwnerPreferred", "bucket-owner-full-control", False),
        ("BucketOwnerPreferred", "bucket-owner-read", True),
        ("ObjectWriter", None, True),
        ("ObjectWriter", "bucket-owner-full-control", True),
    ],
)
def test_who_owns_what_alice_writes(s3, alice, shared, root_id, refused, ownership, acl, alices):
    own(s3, shared, ownership)
    alice.put_object(Bucket=shared, Key="k", Body=b"x", **({} if acl is None else {"ACL": acl}))
    owner = s3.list_objects_v2(Bucket=shared, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert owner == (ALICE_CANONICAL if alices else root_id)
    if alices and acl is None:  # her own: the bucket's owner may delete it, not read it
        refused("AccessDenied", 403, s3.get_object, Bucket=shared, Key="k")
        refused("AccessDenied", 403, s3.get_object_tagging, Bucket=shared, Key="k")
        refused("403", 403, s3.head_object, Bucket=shared, Key="k")
    else:
        assert s3.get_object(Bucket=shared, Key="k")["Body"].read() == b"x"
    s3.delete_object(Bucket=shared, Key="k")
    assert "Contents" not in s3.list_objects_v2(Bucket=shared)


def test_disabling_acls_takes_everything_over(s3, alice, shared, root_id, refused):
    own(s3, shared, "ObjectWriter")
    alice.put_object(Bucket=shared, Key="k", Body=b"x", ACL="public-read")
    refused("AccessDenied", 403, s3.get_object_acl, Bucket=shared, Key="k")
    own(s3, shared, "BucketOwnerEnforced")
    assert grants_of(s3.get_object_acl(Bucket=shared, Key="k")) == [(root_id, "FULL_CONTROL")]
    own(s3, shared, "ObjectWriter")  # ACLs are kept, and count again
    assert len(alice.get_object_acl(Bucket=shared, Key="k")["Grants"]) == 2


@pytest.mark.parametrize("acl", ["public-read", "authenticated-read", "log-delivery-write"])
def test_an_acl_for_others_is_in_the_way(s3, bucket, refused, acl):
    own(s3, bucket, "ObjectWriter")
    s3.put_bucket_acl(Bucket=bucket, ACL=acl)
    error = refused(
        "InvalidBucketAclWithObjectOwnership", 400, s3.put_bucket_ownership_controls, Bucket=bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
    )
    assert error["Message"] == "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
    assert (LOG_DELIVERY, "WRITE") in grants_of(s3.get_bucket_acl(Bucket=bucket)) or acl != "log-delivery-write"
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    own(s3, bucket, "BucketOwnerEnforced")


ROOT_ELEMENT = b"<OwnershipControls>%b</OwnershipControls>"
RULE = b"<Rule><ObjectOwnership>%b</ObjectOwnership></Rule>"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"), (b"<x/>", "MalformedXML"), (ROOT_ELEMENT % b"", "MalformedXML"),
        (ROOT_ELEMENT % (RULE % b"Nobody"), "MalformedXML"), (ROOT_ELEMENT % b"<Rule></Rule>", "MalformedXML"),
        (ROOT_ELEMENT % (RULE % b"ObjectWriter" * 2), "MalformedXML"),
    ],
)
def test_refused(raw, bucket, body, code):
    assert raw.request("PUT", f"/{bucket}", "ownershipControls", body=body).told == (400, code)


def test_the_permission(bucket, anonymous):
    body = ROOT_ELEMENT % (RULE % b"ObjectWriter")
    assert anonymous.request("PUT", f"/{bucket}", "ownershipControls", body=body).told == (403, "AccessDenied")
