"""PutPublicAccessBlock: each of the four, and that it acts at once."""

import pytest
from access import ALICE_ACCOUNT, policy, statement

FOUR = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
OWNERSHIP = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}


def block(s3, bucket, *names):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(names, True))


@pytest.mark.parametrize("names", [(), FOUR[:1], FOUR[1:3], FOUR])
def test_stored(s3, bucket, names):
    block(s3, bucket, *names)
    found = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert found == {name: name in names for name in FOUR}


def test_public_acls_are_refused(s3, bucket, refused):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNERSHIP)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    block(s3, bucket, "BlockPublicAcls")
    for acl in ("public-read", "public-read-write", "authenticated-read"):
        refused("AccessDenied", 403, s3.put_bucket_acl, Bucket=bucket, ACL=acl)
        refused("AccessDenied", 403, s3.put_object_acl, Bucket=bucket, Key="k", ACL=acl)
        refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL=acl)
        refused("AccessDenied", 403, s3.create_multipart_upload, Bucket=bucket, Key="k", ACL=acl)
        refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "k"}, ACL=acl)
    for acl in ("private", "bucket-owner-full-control", "log-delivery-write"):
        s3.put_bucket_acl(Bucket=bucket, ACL=acl)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", GrantRead=f'id="{"a" * 64}"')


def test_public_acls_are_ignored(s3, bucket, anonymous, alice):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=OWNERSHIP)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    s3.put_object(Bucket=bucket, Key="alices", Body=b"x", GrantRead=f'id="{"a" * 64}"')
    assert anonymous.request("GET", f"/{bucket}/k").status == 200
    block(s3, bucket, "IgnorePublicAcls")
    assert anonymous.request("GET", f"/{bucket}/k").told == (403, "AccessDenied")
    assert anonymous.request("GET", f"/{bucket}").told == (403, "AccessDenied")
    assert alice.get_object(Bucket=bucket, Key="alices")["Body"].read() == b"x"
    block(s3, bucket)
    assert anonymous.request("GET", f"/{bucket}/k").status == 200


def test_restricted_buckets(s3, bucket, anonymous, alice, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket), statement(bucket, Principal={"AWS": ALICE_ACCOUNT})))
    block(s3, bucket, "RestrictPublicBuckets")
    assert anonymous.request("GET", f"/{bucket}/k").told == (403, "AccessDenied")
    refused("AccessDenied", 403, alice.get_object, Bucket=bucket, Key="k")  # as long as any of it is public
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Principal={"AWS": ALICE_ACCOUNT})))
    assert alice.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"), (b"<x/>", "MalformedXML"), (b"<PublicAccessBlockConfiguration>", "MalformedXML"),
        (
            b"<PublicAccessBlockConfiguration><BlockPublicAcls>yes</BlockPublicAcls></PublicAccessBlockConfiguration>",
            "MalformedXML",
        ),
    ],
)
def test_refused(raw, bucket, body, code):
    assert raw.request("PUT", f"/{bucket}", "publicAccessBlock", body=body).told == (400, code)


def test_the_permission(s3, bucket, alice, refused):
    only = {"Principal": {"AWS": ALICE_ACCOUNT}, "Action": "s3:PutBucketPublicAccessBlock", "Resource": f"arn:aws:s3:::{bucket}"}
    arguments = {"Bucket": bucket, "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}
    refused("AccessDenied", 403, alice.put_public_access_block, **arguments)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, **only)))
    alice.put_public_access_block(**arguments)
    refused("AccessDenied", 403, alice.get_public_access_block, Bucket=bucket)
    alice.delete_public_access_block(Bucket=bucket)  # the same permission
