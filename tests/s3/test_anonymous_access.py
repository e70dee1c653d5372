"""Requests without a signature: what a policy opens, and nothing else."""

import pytest
from access import ALICE_ACCOUNT, policy, statement


@pytest.fixture
def place(s3, bucket):
    """A bucket with an object at two keys."""
    for key in ("public/k", "private/k"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", Tagging="a=1")
    return bucket


ACTIONS = [
    ("GET", "/public/k", "", "s3:GetObject", 200),
    ("HEAD", "/public/k", "", "s3:GetObject", 200),
    ("GET", "/public/k", "versionId=null", "s3:GetObjectVersion", 200),
    ("GET", "/public/k", "tagging", "s3:GetObjectTagging", 200),
    ("GET", "/public/k", "acl", "s3:GetObjectAcl", 200),
    ("PUT", "/public/new", "", "s3:PutObject", 200),
    ("DELETE", "/public/k", "", "s3:DeleteObject", 204),
    ("POST", "/public/parts", "uploads", "s3:PutObject", 200),
    ("DELETE", "/public/k", "tagging", "s3:DeleteObjectTagging", 204),
    ("GET", "", "", "s3:ListBucket", 200),
    ("GET", "", "list-type=2", "s3:ListBucket", 200),
    ("HEAD", "", "", "s3:ListBucket", 200),
    ("GET", "", "versions", "s3:ListBucketVersions", 200),
    ("GET", "", "uploads", "s3:ListBucketMultipartUploads", 200),
    ("GET", "", "location", "s3:GetBucketLocation", 200),
    ("GET", "", "versioning", "s3:GetBucketVersioning", 200),
    ("GET", "", "acl", "s3:GetBucketAcl", 200),
    ("GET", "", "ownershipControls", "s3:GetBucketOwnershipControls", 200),
    ("GET", "", "cors", "s3:GetBucketCORS", 404),
    ("GET", "", "lifecycle", "s3:GetLifecycleConfiguration", 404),
    ("GET", "", "encryption", "s3:GetEncryptionConfiguration", None),
    ("GET", "", "tagging", "s3:GetBucketTagging", 404),
    ("GET", "", "policyStatus", "s3:GetBucketPolicyStatus", 200),
]


@pytest.mark.parametrize(("method", "path", "query", "action", "status"), ACTIONS)
def test_each_action_by_its_name(s3, anonymous, place, method, path, query, action, status):
    resource = f"arn:aws:s3:::{place}/public/*" if path else f"arn:aws:s3:::{place}"
    body = b"x" if method == "PUT" else None

    def ask():
        return anonymous.request(method, f"/{place}{path}", query, body=body)

    assert ask().status == 403
    other = "s3:GetObjectTorrent" if path else "s3:GetBucketWebsite"
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Action=other, Resource=resource)))
    assert ask().status == 403
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Action=action, Resource=resource)))
    answer = ask()
    assert answer.status == status if status is not None else answer.status != 403


@pytest.mark.parametrize("name", ["content-type", "content-disposition", "cache-control", "expires"])
def test_nobody_makes_another_page_of_a_public_file(s3, anonymous, place, name):
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Resource=f"arn:aws:s3:::{place}/public/*")))
    answer = anonymous.request("GET", f"/{place}/public/k", f"response-{name}=text/html")
    assert answer.told == (400, "InvalidRequest")
    assert "anonymous GET" in answer.error["Message"]


def test_only_what_the_resource_names(s3, anonymous, place):
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Resource=f"arn:aws:s3:::{place}/public/*")))
    assert anonymous.request("GET", f"/{place}/public/k").body == b"x"
    for path in ("private/k", "public", "Public/k", "private/../public/k"):
        assert anonymous.request("GET", f"/{place}/{path}").told == (403, "AccessDenied")


def test_missing_keys_are_told_to_those_who_may_list(s3, anonymous, place):
    reads = statement(place)
    lists = statement(place, Action="s3:ListBucket", Resource=f"arn:aws:s3:::{place}")
    s3.put_bucket_policy(Bucket=place, Policy=policy(reads))
    assert anonymous.request("GET", f"/{place}/none").told == (403, "AccessDenied")
    assert anonymous.request("HEAD", f"/{place}/none").status == 403
    s3.put_bucket_policy(Bucket=place, Policy=policy(reads, lists))
    assert anonymous.request("GET", f"/{place}/none").told == (404, "NoSuchKey")
    assert anonymous.request("HEAD", f"/{place}/none").status == 404


def test_missing_keys_of_a_bucket_that_is_public_by_its_acl(s3, anonymous, place):
    s3.put_bucket_ownership_controls(Bucket=place, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    assert anonymous.request("GET", f"/{place}/none").told == (403, "AccessDenied")
    s3.put_bucket_acl(Bucket=place, ACL="public-read")
    assert anonymous.request("GET", f"/{place}/none").told == (404, "NoSuchKey")
    assert anonymous.request("GET", f"/{place}/public/k").told == (403, "AccessDenied")  # the object is private


def test_deletes_key_by_key(s3, anonymous, place):
    allow = statement(place, Action="s3:DeleteObject", Resource=f"arn:aws:s3:::{place}/public/*")
    s3.put_bucket_policy(Bucket=place, Policy=policy(allow))
    keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("public/k", "private/k"))
    answer = anonymous.request("POST", f"/{place}", "delete", body=f"<Delete>{keys}</Delete>".encode())
    assert answer.status == 200
    assert [(one.tag, one.findtext("Key"), one.findtext("Code")) for one in answer.xml] == [
        ("Deleted", "public/k", None), ("Error", "private/k", "AccessDenied")
    ]
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=place)["Contents"]] == ["private/k"]


def test_a_copy_reads_its_source(s3, anonymous, place):
    source = {"x-amz-copy-source": f"/{place}/private/k"}
    writes = statement(place, Action="s3:PutObject")
    s3.put_bucket_policy(Bucket=place, Policy=policy(writes))
    assert anonymous.request("PUT", f"/{place}/stolen", headers=source).told == (403, "AccessDenied")
    reads = statement(place, Action=["s3:GetObject", "s3:GetObjectTagging"], Resource=f"arn:aws:s3:::{place}/private/*")
    s3.put_bucket_policy(Bucket=place, Policy=policy(writes, reads, statement(place, Action="s3:PutObjectTagging")))
    assert anonymous.request("PUT", f"/{place}/copied", headers=source).status == 200


@pytest.mark.parametrize(
    ("headers", "action"),
    [({"x-amz-tagging": "a=1"}, "s3:PutObjectTagging"), ({"x-amz-acl": "bucket-owner-full-control"}, "s3:PutObjectAcl")],
)
def test_what_rides_along_needs_its_own_permission(s3, anonymous, bucket, headers, action):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:PutObject")))
    assert anonymous.request("PUT", f"/{bucket}/k", body=b"x").status == 200
    assert anonymous.request("PUT", f"/{bucket}/k", headers=headers, body=b"x").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action=["s3:PutObject", action])))
    assert anonymous.request("PUT", f"/{bucket}/k", headers=headers, body=b"x").status == 200


def test_a_deny_for_everybody_but_one_account(s3, anonymous, alice, place, refused):
    deny = statement(place, Effect="Deny", Principal=None, NotPrincipal={"AWS": [ALICE_ACCOUNT]})
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place), deny))
    assert anonymous.request("GET", f"/{place}/public/k").told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.get_object, Bucket=place, Key="public/k")  # the owner's root is somebody else too
    assert alice.get_object(Bucket=place, Key="public/k")["Body"].read() == b"x"


def test_services_and_other_buckets_stay_shut(s3, anonymous, place, new_name):
    s3.put_bucket_policy(Bucket=place, Policy=policy(statement(place, Action="s3:*", Resource="*")))
    assert anonymous.request("GET", f"/{place}/public/k").status == 200
    assert anonymous.request("PUT", f"/{new_name()}").told == (403, "AccessDenied")
    other = new_name()
    s3.create_bucket(Bucket=other)
    assert anonymous.request("GET", f"/{other}").told == (403, "AccessDenied")
