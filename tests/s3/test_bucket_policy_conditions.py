"""Conditions of bucket policies with real requests: each key from the place where it comes from."""

import json

import pytest
from access import ALICE_ACCOUNT, make_user, policy, statement
from dev_server import ALICE, ROOT
from raw_s3 import RawS3, key_path

OBJECTS = "arn:aws:s3:::BUCKET/*"
BUCKET = "arn:aws:s3:::BUCKET"


@pytest.fixture
def put(s3, bucket):
    """``put(action, condition)``: everybody may, under a condition; an object with tags is there."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="sec=open&n=1")

    def place(action, condition, effect="Allow"):
        level = BUCKET if action in ("s3:ListBucket", "s3:ListBucketVersions") else OBJECTS
        made = statement(bucket, Action=action, Condition=condition, Effect=effect, Resource=level.replace("BUCKET", bucket))
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(made))

    return place


# key and condition, then (method, path, query, headers) of a request that holds, and of one that does not
CASES = {
    "SourceIp": ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "another SourceIp": ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, "s3:GetObject", None, ("GET", "/k", "", {})),
    "not SourceIp": ({"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "::1"]}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "SecureTransport": ({"Bool": {"aws:SecureTransport": "true"}}, "s3:GetObject", None, ("GET", "/k", "", {})),
    "no SecureTransport": ({"Bool": {"aws:SecureTransport": False}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "UserAgent": (
        {"StringLike": {"aws:UserAgent": "tool/*"}}, "s3:GetObject",
        ("GET", "/k", "", {"User-Agent": "tool/1.0"}), ("GET", "/k", "", {"User-Agent": "other"}),
    ),
    "Referer": (
        {"StringLike": {"aws:Referer": ["http://example.com/*"]}}, "s3:GetObject",
        ("GET", "/k", "", {"Referer": "http://example.com/a"}), ("GET", "/k", "", {"Referer": "http://example.org/a"}),
    ),
    "no Referer": ({"StringLike": {"aws:Referer": "*"}}, "s3:GetObject", None, ("GET", "/k", "", {})),
    "Referer or none": (
        {"StringLikeIfExists": {"aws:Referer": "http://a/*"}}, "s3:GetObject",
        ("GET", "/k", "", {}), ("GET", "/k", "", {"Referer": "http://b/"}),
    ),
    "CurrentTime": ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "past": ({"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, "s3:GetObject", None, ("GET", "/k", "", {})),
    "EpochTime": ({"NumericGreaterThan": {"aws:EpochTime": "1577836800"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "PrincipalType": ({"StringEquals": {"aws:PrincipalType": "Anonymous"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "username is absent": ({"Null": {"aws:username": "true"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "ExistingObjectTag": ({"StringEquals": {"s3:ExistingObjectTag/sec": "open"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
    "ExistingObjectTag of another value": (
        {"StringEquals": {"s3:ExistingObjectTag/sec": "closed"}}, "s3:GetObject", None, ("GET", "/k", "", {}),
    ),
    "prefix": (
        {"StringLike": {"s3:prefix": ["home/", "home/*"]}}, "s3:ListBucket",
        ("GET", "", "prefix=home/", {}), ("GET", "", "prefix=hom", {}),
    ),
    "no prefix": ({"StringLike": {"s3:prefix": "*"}}, "s3:ListBucket", ("GET", "", "list-type=2&prefix=", {}), ("GET", "", "", {})),
    "prefix twice": (  # the first counts, for the decision as for the list
        {"StringEquals": {"s3:prefix": "a"}}, "s3:ListBucket",
        ("GET", "", "prefix=a&prefix=b", {}), ("GET", "", "prefix=b&prefix=a", {}),
    ),
    "delimiter": (
        {"StringEquals": {"s3:delimiter": "/"}}, "s3:ListBucket", ("GET", "", "delimiter=%2F", {}), ("GET", "", "delimiter=a", {}),
    ),
    "max-keys": (
        {"NumericLessThanEquals": {"s3:max-keys": "10"}}, "s3:ListBucket",
        ("GET", "", "max-keys=10", {}), ("GET", "", "max-keys=11", {}),
    ),
    "max-keys of versions": (
        {"NumericLessThanEquals": {"s3:max-keys": "10"}}, "s3:ListBucketVersions",
        ("GET", "", "versions&max-keys=9", {}), ("GET", "", "versions", {}),
    ),
    "VersionId": (
        {"StringEquals": {"s3:VersionId": "null"}}, "s3:GetObjectVersion", ("GET", "/k", "versionId=null", {}), None,
    ),
    "RequestObjectTag": (
        {"StringEquals": {"s3:RequestObjectTag/a": "1"}}, ["s3:PutObject", "s3:PutObjectTagging"],
        ("PUT", "/n", "", {"x-amz-tagging": "a=1"}), ("PUT", "/n", "", {"x-amz-tagging": "a=2"}),
    ),
    "RequestObjectTagKeys": (
        {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b"]}}, ["s3:PutObject", "s3:PutObjectTagging"],
        ("PUT", "/n", "", {"x-amz-tagging": "a=1&b=2"}), ("PUT", "/n", "", {"x-amz-tagging": "a=1&c=2"}),
    ),
    "x-amz-acl": (
        {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}, ["s3:PutObject", "s3:PutObjectAcl"],
        ("PUT", "/n", "", {"x-amz-acl": "bucket-owner-full-control"}), ("PUT", "/n", "", {}),
    ),
    "x-amz-storage-class": (
        {"StringEquals": {"s3:x-amz-storage-class": "STANDARD"}}, "s3:PutObject",
        ("PUT", "/n", "", {"x-amz-storage-class": "STANDARD"}), ("PUT", "/n", "", {"x-amz-storage-class": "STANDARD_IA"}),
    ),
    "x-amz-website-redirect-location": (
        {"StringEquals": {"s3:x-amz-website-redirect-location": "/a"}}, "s3:PutObject",
        ("PUT", "/n", "", {"x-amz-website-redirect-location": "/a"}), ("PUT", "/n", "", {"x-amz-website-redirect-location": "/b"}),
    ),
    "x-amz-copy-source": (
        {"StringLikeIfExists": {"s3:x-amz-copy-source": "BUCKET/k*"}},
        ["s3:PutObject", "s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging"],
        ("PUT", "/n", "", {"x-amz-copy-source": "/BUCKET/k"}), ("PUT", "/n", "", {"x-amz-copy-source": "/BUCKET/other"}),
    ),
    "x-amz-metadata-directive": (
        {"StringEqualsIfExists": {"s3:x-amz-metadata-directive": "REPLACE"}},
        ["s3:PutObject", "s3:GetObject", "s3:GetObjectTagging", "s3:PutObjectTagging"],
        ("PUT", "/n", "", {"x-amz-copy-source": "/BUCKET/k", "x-amz-metadata-directive": "REPLACE"}),
        ("PUT", "/n", "", {"x-amz-copy-source": "/BUCKET/k", "x-amz-metadata-directive": "COPY"}),
    ),
    "if-none-match": (
        {"StringEquals": {"s3:if-none-match": "*"}}, "s3:PutObject",
        ("PUT", "/n", "", {"If-None-Match": "*"}), ("PUT", "/n", "", {}),
    ),
    "ResourceAccount": ({"StringEquals": {"aws:ResourceAccount": "000000000000"}}, "s3:GetObject", ("GET", "/k", "", {}), None),
}


@pytest.mark.parametrize("name", CASES)
def test_keys(put, anonymous, bucket, name):
    condition, action, holds, fails = CASES[name]
    put(action, json.loads(json.dumps(condition).replace("BUCKET", bucket)))

    def ask(request):
        method, path, query, headers = request
        headers = {name: value.replace("BUCKET", bucket) for name, value in headers.items()}
        return anonymous.request(method, f"/{bucket}{path}", query, headers, b"x" if method == "PUT" else None)

    if holds is not None:
        assert ask(holds).status == 200
    if fails is not None:
        assert ask(fails).told == (403, "AccessDenied")


def test_several_keys_must_all_hold(put, anonymous, bucket):
    both = {"StringEquals": {"aws:Referer": "http://a/", "aws:UserAgent": ["x", "y"]}}
    put("s3:GetObject", both)
    for headers, status in (
        ({"Referer": "http://a/", "User-Agent": "y"}, 200), ({"Referer": "http://a/"}, 403), ({"User-Agent": "x"}, 403),
    ):
        assert anonymous.request("GET", f"/{bucket}/k", "", headers).status == status


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"StringEquals": {"s3:authType": "REST-HEADER"}}, 200),
        ({"StringEquals": {"s3:authType": "REST-QUERY-STRING"}}, 403),
        ({"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}, 200),
        ({"StringEquals": {"s3:signatureversion": "AWS"}}, 403),
        ({"NumericLessThan": {"s3:signatureAge": 600_000}}, 200),
        ({"NumericGreaterThan": {"s3:signatureAge": 600_000}}, 403),
        ({"StringEquals": {"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"}}, 200),
        ({"StringEquals": {"aws:PrincipalAccount": ALICE_ACCOUNT}}, 200),
        ({"StringNotEquals": {"aws:PrincipalAccount": ALICE_ACCOUNT}}, 403),
        ({"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{ALICE_ACCOUNT}:root"}}, 200),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}, 200),
        ({"StringEquals": {"aws:PrincipalType": "Account"}}, 200),
        ({"StringEquals": {"aws:userid": ALICE_ACCOUNT}}, 200),
        ({"Null": {"aws:username": "false"}}, 403),
    ],
)
def test_keys_of_a_signed_request(server, put, bucket, condition, status):
    put("s3:GetObject", condition)
    assert RawS3(server.port, ALICE).request("GET", f"/{bucket}/k").status == status


def test_keys_of_a_presigned_request(server, put, bucket):
    raw = RawS3(server.port, ALICE)
    query = raw.presigned("GET", f"/{bucket}/k")
    put("s3:GetObject", {"StringEquals": {"s3:authType": "REST-QUERY-STRING"}})
    assert raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None).status == 200
    put("s3:GetObject", {"StringEquals": {"s3:authType": "REST-HEADER"}})
    assert raw.send("GET", f"/{bucket}/k", query, {"Host": raw.host_header}, None).status == 403


def test_a_deny_that_insists_on_encryption_in_transit(put, server, bucket):
    put("s3:*", {"Bool": {"aws:SecureTransport": "false"}}, effect="Deny")
    assert RawS3(server.port, ROOT).request("GET", f"/{bucket}/k").told == (403, "AccessDenied")


def test_variables(server, s3, bucket, new_name):
    """Each user reads below its own name, out of one statement."""
    ann, bob = new_name(), new_name()
    keys = {name: make_user(server, name)[1] for name in (ann, bob)}
    for name in (ann, bob):
        s3.put_object(Bucket=bucket, Key=f"home/{name}/k", Body=name.encode())
    own = statement(bucket, Principal="*", Resource=f"arn:aws:s3:::{bucket}/home/${{aws:username}}/*")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(own))
    for name in (ann, bob):
        for whose in (ann, bob):
            answer = RawS3(server.port, keys[name]).request("GET", key_path(bucket, f"home/{whose}/k"))
            assert answer.status == (200 if name == whose else 403)
    assert RawS3(server.port, None).request("GET", key_path(bucket, f"home/{ann}/k")).status == 403
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(own, version="2008-10-17"))  # no variables then
    assert RawS3(server.port, keys[ann]).request("GET", key_path(bucket, f"home/{ann}/k")).status == 403


def test_tags_decide_about_each_object(put, anonymous, s3, bucket):
    put("s3:GetObject", {"StringEquals": {"s3:ExistingObjectTag/sec": "open"}})
    s3.put_object(Bucket=bucket, Key="shut", Body=b"y", Tagging="sec=shut")
    s3.put_object(Bucket=bucket, Key="none", Body=b"z")
    assert anonymous.request("GET", f"/{bucket}/k").status == 200
    assert anonymous.request("GET", f"/{bucket}/shut").told == (403, "AccessDenied")
    assert anonymous.request("GET", f"/{bucket}/none").told == (403, "AccessDenied")
    s3.put_object_tagging(Bucket=bucket, Key="shut", Tagging={"TagSet": [{"Key": "sec", "Value": "open"}]})
    assert anonymous.request("GET", f"/{bucket}/shut").body == b"y"


def test_tags_of_a_tagging_document(put, anonymous, bucket):
    put("s3:PutObjectTagging", {"StringEquals": {"s3:RequestObjectTag/a": "1"}})

    def tag(value):
        body = f"<Tagging><TagSet><Tag><Key>a</Key><Value>{value}</Value></Tag></TagSet></Tagging>"
        return anonymous.request("PUT", f"/{bucket}/k", "tagging", body=body.encode())

    assert tag("2").told == (403, "AccessDenied")
    assert tag("1").status == 200
