"""PutObjectAcl, and the ACL that comes with an object: each acts at once, for this version."""

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, ALL_USERS, AUTHENTICATED_USERS, everything, grants_of, policy
from dev_server import ALICE
from raw_s3 import RawS3


@pytest.fixture
def root_id(s3):
    return s3.list_buckets()["Owner"]["ID"]


@pytest.fixture
def free(s3, bucket):
    """A bucket with ACLs enabled and an object."""
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return bucket


CANNED = [
    ("private", [], 403, 403),
    ("public-read", [(ALL_USERS, "READ")], 200, 200),
    ("public-read-write", [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")], 200, 200),
    ("authenticated-read", [(AUTHENTICATED_USERS, "READ")], 403, 200),
    ("bucket-owner-read", [], 403, 403),
    ("bucket-owner-full-control", [], 403, 403),
    ("aws-exec-read", [("6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c", "READ")], 403, 403),
]


@pytest.mark.parametrize(("acl", "more", "of_anonymous", "of_alice"), CANNED)
def test_canned(server, s3, free, anonymous, root_id, acl, more, of_anonymous, of_alice):
    s3.put_object_acl(Bucket=free, Key="k", ACL=acl)
    assert grants_of(s3.get_object_acl(Bucket=free, Key="k")) == [(root_id, "FULL_CONTROL"), *more]
    assert anonymous.request("GET", f"/{free}/k").status == of_anonymous
    assert RawS3(server.port, ALICE).request("GET", f"/{free}/k").status == of_alice
    assert anonymous.request("PUT", f"/{free}/k", body=b"y").status == 403  # WRITE of an object says nothing


@pytest.mark.parametrize(("acl", "more", "of_anonymous", "of_alice"), CANNED)
def test_with_the_object(s3, free, anonymous, root_id, acl, more, of_anonymous, of_alice):
    expected = [(root_id, "FULL_CONTROL"), *more]
    s3.put_object(Bucket=free, Key="put", Body=b"x", ACL=acl)
    s3.copy_object(Bucket=free, Key="copy", CopySource={"Bucket": free, "Key": "k"}, ACL=acl)
    upload = s3.create_multipart_upload(Bucket=free, Key="parts", ACL=acl)["UploadId"]
    part = s3.upload_part(Bucket=free, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=free, Key="parts", UploadId=upload, MultipartUpload=parts)
    for key in ("put", "copy", "parts"):
        assert grants_of(s3.get_object_acl(Bucket=free, Key=key)) == expected
        assert anonymous.request("GET", f"/{free}/{key}").status == of_anonymous


def test_a_copy_does_not_take_the_acl_along(s3, free, anonymous):
    s3.put_object_acl(Bucket=free, Key="k", ACL="public-read")
    s3.copy_object(Bucket=free, Key="copy", CopySource={"Bucket": free, "Key": "k"})
    assert anonymous.request("GET", f"/{free}/copy").told == (403, "AccessDenied")
    s3.put_object(Bucket=free, Key="k", Body=b"y")  # a new object has a new ACL
    assert anonymous.request("GET", f"/{free}/k").told == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("header", "works"),
    [("GrantRead", "get_object"), ("GrantReadACP", "get_object_acl"), ("GrantWriteACP", "put_object_acl"),
     ("GrantFullControl", None)],
)
def test_headers(s3, alice, free, refused, header, works):
    calls = {"get_object": {}, "get_object_acl": {}, "put_object_acl": {"GrantFullControl": f'id="{ALICE_CANONICAL}"'}}
    s3.put_object_acl(Bucket=free, Key="k", **{header: f'id="{ALICE_CANONICAL}"'})
    for name, arguments in calls.items():
        if works in (None, name):
            continue
        refused("AccessDenied", 403, getattr(alice, name), Bucket=free, Key="k", **arguments)
    for name, arguments in calls.items():
        if works in (None, name):
            getattr(alice, name)(Bucket=free, Key="k", **arguments)
    refused("AccessDenied", 403, alice.get_object_tagging, Bucket=free, Key="k")  # no ACL grants that
    refused("AccessDenied", 403, alice.delete_object, Bucket=free, Key="k")


def test_a_document_by_another_who_may(s3, alice, free, root_id):
    s3.put_object_acl(Bucket=free, Key="k", GrantFullControl=f'id="{ALICE_CANONICAL}"')
    grants = [{"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}]
    alice.put_object_acl(Bucket=free, Key="k", AccessControlPolicy={"Owner": {"ID": root_id}, "Grants": grants})
    assert grants_of(s3.get_object_acl(Bucket=free, Key="k")) == [(ALL_USERS, "READ")]


def test_the_owner_cannot_be_changed(s3, free, refused):
    document = {"Owner": {"ID": ALICE_CANONICAL}, "Grants": []}
    refused("AccessDenied", 403, s3.put_object_acl, Bucket=free, Key="k", AccessControlPolicy=document)


def test_each_version_has_its_own(s3, free, anonymous):
    s3.put_bucket_versioning(Bucket=free, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=free, Key="v", Body=b"1", ACL="public-read")["VersionId"]
    second = s3.put_object(Bucket=free, Key="v", Body=b"2")["VersionId"]
    answer = s3.put_object_acl(Bucket=free, Key="v", VersionId=first, ACL="private")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-version-id"] == first
    s3.put_object_acl(Bucket=free, Key="v", ACL="public-read")
    assert len(s3.get_object_acl(Bucket=free, Key="v", VersionId=second)["Grants"]) == 2
    assert anonymous.request("GET", f"/{free}/v", f"versionId={second}").body == b"2"
    assert anonymous.request("GET", f"/{free}/v", f"versionId={first}").told == (403, "AccessDenied")
    assert anonymous.request("GET", f"/{free}/v").body == b"2"


def test_the_object_stays_as_it_is(s3, free):
    s3.put_object(Bucket=free, Key="t", Body=b"x", Tagging="a=1", Metadata={"m": "v"})
    before = s3.head_object(Bucket=free, Key="t")
    s3.put_object_acl(Bucket=free, Key="t", ACL="public-read")
    after = s3.head_object(Bucket=free, Key="t")
    for name in ("ETag", "LastModified", "Metadata", "ContentLength"):
        assert before[name] == after[name]
    assert s3.get_object_tagging(Bucket=free, Key="t")["TagSet"] == [{"Key": "a", "Value": "1"}]
    s3.put_object_tagging(Bucket=free, Key="t", Tagging={"TagSet": []})
    assert len(s3.get_object_acl(Bucket=free, Key="t")["Grants"]) == 2


@pytest.mark.parametrize("arguments", [{"ACL": "public-read"}, {"GrantRead": "id=x"}, {"ACL": "aws-exec-read"}])
def test_while_acls_are_disabled(s3, bucket, refused, arguments):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused("AccessControlListNotSupported", 400, s3.put_object_acl, Bucket=bucket, Key="k", **arguments)
    refused("AccessControlListNotSupported", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"", **arguments)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, (400, "MissingSecurityHeader")), ({"x-amz-acl": "open"}, (400, "InvalidArgument")),
        ({"x-amz-grant-read": "x"}, (400, "InvalidArgument")),
        ({"x-amz-acl": "private", "x-amz-grant-read": f"id={ALICE_CANONICAL}"}, (400, "InvalidRequest")),
    ],
)
def test_refused(raw, free, headers, told):
    assert raw.request("PUT", f"/{free}/k", "acl", headers).told == told


def test_what_is_not_there(s3, free, refused):
    refused("NoSuchKey", 404, s3.put_object_acl, Bucket=free, Key="none", ACL="private")
    refused("InvalidArgument", 400, s3.put_object_acl, Bucket=free, Key="k", VersionId="none", ACL="private")


def test_an_acl_on_a_new_object_needs_its_permission(s3, alice, bucket, refused):
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    allow = everything(bucket, Principal={"AWS": ALICE_ACCOUNT})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({**allow, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}))
    arguments = {"Bucket": bucket, "Key": "new", "Body": b"x", "ACL": "bucket-owner-full-control"}
    refused("AccessDenied", 403, alice.put_object, **arguments)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow))
    alice.put_object(**arguments)


def test_a_grantee_of_write_sets_the_acl_of_what_it_writes(s3, alice, free):
    s3.put_bucket_acl(Bucket=free, GrantWrite=f'id="{ALICE_CANONICAL}"')
    alice.put_object(Bucket=free, Key="new", Body=b"x", ACL="bucket-owner-full-control")
    assert s3.get_object(Bucket=free, Key="new")["Body"].read() == b"x"


def test_a_grant_of_writing(s3, free):
    """S3 takes it, and it means nothing for an object."""
    s3.put_object_acl(Bucket=free, Key="k", GrantWrite=f'id="{ALICE_CANONICAL}"')
    assert grants_of(s3.get_object_acl(Bucket=free, Key="k")) == [(ALICE_CANONICAL, "WRITE")]
