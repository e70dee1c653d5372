"""Every operation of the table on a bucket of somebody else: refused, and nothing of it is told or changed."""

import base64
import hashlib
import json

import pytest
from dev_server import ALICE, BOB, ROOT
from raw_s3 import RawS3

from dolmen.gateway.s3.operations import OPERATIONS

TABLE = sorted(
    (one for one in OPERATIONS.values() if one.routed and one.level != "service" and one.name != "CreateBucket"),
    key=lambda one: one.name,
)


def md5_of(body):
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.fixture(scope="module")
def place(alice, new_name):
    """Alice's bucket: an object, a version, an upload."""
    name = new_name()
    alice.create_bucket(Bucket=name)
    alice.put_object(Bucket=name, Key="k", Body=b"secret", Tagging="a=1")
    return name, alice.create_multipart_upload(Bucket=name, Key="k")["UploadId"]


def asked(operation, name, upload):
    """(method, path, query, headers, body) of a request for the operation."""
    values = {"uploadId": upload, "partNumber": "1"}
    query = []
    for condition in operation.query:
        parameter, _, value = condition.partition("=")
        query.append((parameter, value or values.get(parameter, "")))
    headers = {}
    for condition in operation.headers:
        header, _, value = condition.partition("=")
        headers[header] = value or {"x-amz-copy-source": f"/{name}/k"}.get(header, "x")
    path = f"/{name}" if operation.level == "bucket" else f"/{name}/k"
    body = None if operation.body == "none" else b"<x/>"
    return operation.method, path, query, headers, body


# These are asked about key by key, when their body is read.
ASKED_LATER = {"DeleteObjects", "PostObject", "PutObjectTagging"}


@pytest.mark.parametrize("operation", [one for one in TABLE if one.name not in ASKED_LATER], ids=lambda one: one.name)
def test_refused(server, alice, place, operation):
    name, upload = place
    request = asked(operation, name, upload)
    for keys, status, code in (
        (ROOT, 403, "AccessDenied"),  # the root account owns what it made, and no more
        (BOB, 404, "NoSuchBucket"),  # in another namespace there is no such name
        (None, 403, "AccessDenied"),
    ):
        answer = RawS3(server.port, keys).request(*request)
        assert answer.status == status
        if operation.method == "HEAD":
            assert answer.body == b""
        else:
            assert answer.code == code
        assert b"secret" not in answer.body


@pytest.mark.parametrize("keys", [ROOT, None], ids=["root", "anonymous"])
def test_tags_of_others_are_not_set(server, place, keys):
    name, _ = place
    body = b"<Tagging><TagSet><Tag><Key>a</Key><Value>2</Value></Tag></TagSet></Tagging>"
    answer = RawS3(server.port, keys).request("PUT", f"/{name}/k", "tagging", {"content-md5": md5_of(body)}, body)
    assert answer.told == (403, "AccessDenied")


@pytest.mark.parametrize("keys", [ROOT, None], ids=["root", "anonymous"])
def test_each_key_of_a_multi_delete_is_refused(server, place, keys):
    name, _ = place
    body = b"<Delete><Object><Key>k</Key></Object><Object><Key>none</Key></Object></Delete>"
    answer = RawS3(server.port, keys).request("POST", f"/{name}", "delete", {"content-md5": md5_of(body)}, body)
    assert answer.status == 200
    assert [(error.findtext("Key"), error.findtext("Code")) for error in answer.xml] == [
        ("k", "AccessDenied"),
        ("none", "AccessDenied"),
    ]


def test_nothing_has_changed(alice, place):
    name, upload = place
    assert alice.get_object(Bucket=name, Key="k")["Body"].read() == b"secret"
    assert alice.get_object_tagging(Bucket=name, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert "Parts" not in alice.list_parts(Bucket=name, Key="k", UploadId=upload)
    assert alice.list_objects_v2(Bucket=name)["KeyCount"] == 1
    assert "Status" not in alice.get_bucket_versioning(Bucket=name)


def test_refused_before_the_question_whether_there_is_one(s3, place, refused):
    """A missing key and one that is there look the same to a stranger."""
    name, _ = place
    refused("AccessDenied", 403, s3.get_object, Bucket=name, Key="k")
    refused("AccessDenied", 403, s3.get_object, Bucket=name, Key="none")
    refused("403", 403, s3.head_object, Bucket=name, Key="none")
    refused("403", 403, s3.head_bucket, Bucket=name)


def test_the_source_of_a_copy_is_a_read(s3, bob, bucket, place, refused, new_name):
    name, _ = place
    source = {"Bucket": name, "Key": "k"}
    refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="stolen", CopySource=source)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="stolen")["UploadId"]
    arguments = {"Bucket": bucket, "Key": "stolen", "UploadId": upload, "PartNumber": 1, "CopySource": source}
    refused("AccessDenied", 403, s3.upload_part_copy, **arguments)
    mine = new_name()
    bob.create_bucket(Bucket=mine)
    refused("NoSuchBucket", 404, bob.copy_object, Bucket=mine, Key="stolen", CopySource=source)
    refused("AccessDenied", 403, bob.copy_object, Bucket=mine, Key="stolen", CopySource=f":{name}/k")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_namespace_cannot_be_named_from_outside(s3, bob, raw, new_name):
    name = new_name()
    bob.create_bucket(Bucket=name)
    bob.put_object(Bucket=name, Key="k", Body=b"secret")
    for path in (f"/acme:{name}/k", f"/acme%3A{name}/k", f"/acme:{name}"):
        answer = raw.request("GET", path)
        assert answer.told == (403, "AccessDenied")
        assert b"secret" not in answer.body


def test_a_tenant_names_a_bucket_of_the_default_namespace_with_a_colon(server, s3, bob, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"public")
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"AWS": "222222222222"},
                        "Action": "s3:GetObject",
                        "Resource": f"arn:aws:s3:::{bucket}/*",
                    }
                ],
            }
        ),
    )
    raw_bob = RawS3(server.port, BOB)
    assert raw_bob.request("GET", f"/:{bucket}/k").body == b"public"
    assert raw_bob.request("GET", f"/{bucket}/k").told == (404, "NoSuchBucket")


def test_a_bucket_is_made_in_ones_own_namespace_only(server, raw, new_name):
    name = new_name()
    assert raw.request("PUT", f"/acme:{name}").told == (403, "AccessDenied")
    assert RawS3(server.port, BOB).request("PUT", f"/acme:{name}").status == 200
    assert RawS3(server.port, BOB).request("HEAD", f"/{name}").status == 200


def test_alice_and_her_own(server, place):
    name, _ = place
    assert RawS3(server.port, ALICE).request("GET", f"/{name}/k").body == b"secret"
