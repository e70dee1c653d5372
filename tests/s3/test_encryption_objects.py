"""Encrypted objects of one PUT, of every kind: answers, ranges, ETags, listings, versions, forms."""

import base64
import hashlib
import http.client
import itertools
import json
import os
import urllib.parse

import pytest
from encryption_kinds import ENCRYPTED, KINDS, arn, shown

CHUNK = 64 * 1024
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 5 * CHUNK + 7)
every = pytest.mark.parametrize("kind", ENCRYPTED)


def md5(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


@every
@pytest.mark.parametrize("size", SIZES)
def test_whole_objects(s3, bucket, kind, size):
    how = KINDS[kind]
    data = os.urandom(size)
    answer = s3.put_object(Bucket=bucket, Key="k", Body=data, **how.write)
    assert shown(answer) == how.shown
    assert (answer["ETag"] == md5(data)) == how.plain_etag
    bytes.fromhex(answer["ETag"].strip('"'))
    assert len(answer["ETag"]) == 34
    for read in (s3.get_object, s3.head_object):
        found = read(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **how.read)
        assert shown(found) == how.shown
        assert (found["ContentLength"], found["ETag"]) == (size, answer["ETag"])
        assert found["ChecksumCRC32"] == answer["ChecksumCRC32"], "checksums are of the plaintext"
        if "Body" in found:
            assert found["Body"].read() == data
    (listed,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (listed["Size"], listed["ETag"]) == (size, answer["ETag"])
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag", "ObjectSize"], **how.attributes)
    assert (attributes["ObjectSize"], attributes["ETag"]) == (size, answer["ETag"].strip('"'))


@every
def test_ranges(s3, bucket, kind):
    how = KINDS[kind]
    size = 3 * CHUNK + 100
    data = os.urandom(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **how.write)
    edges = sorted({0, size, *(at + step for at in (CHUNK, 2 * CHUNK, 3 * CHUNK) for step in (-1, 0, 1))})
    for start, end in itertools.combinations(edges, 2):
        found = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={start}-{end - 1}", **how.read)
        assert found["Body"].read() == data[start:end], (start, end)
        assert (found["ContentRange"], found["ContentLength"]) == (f"bytes {start}-{end - 1}/{size}", end - start)
        assert shown(found) == how.shown
    found = s3.get_object(Bucket=bucket, Key="k", Range="bytes=-5", **how.read)
    assert found["Body"].read() == data[-5:]
    found = s3.get_object(Bucket=bucket, Key="k", PartNumber=1, **how.read)
    assert found["Body"].read() == data


@every
def test_a_large_object_over_several_stripes(s3, bucket, kind):
    how = KINDS[kind]
    data = os.urandom(5_000_003)
    s3.put_object(Bucket=bucket, Key="k", Body=data, ContentMD5=base64.b64encode(hashlib.md5(data).digest()).decode(), **how.write)
    assert s3.get_object(Bucket=bucket, Key="k", **how.read)["Body"].read() == data
    middle = s3.get_object(Bucket=bucket, Key="k", Range="bytes=1048000-3145999", **how.read)["Body"].read()
    assert middle == data[1048000:3146000]


@every
def test_digests_are_checked_and_nothing_is_left(s3, bucket, kind, refused):
    how = KINDS[kind]
    wrong = base64.b64encode(bytes(16)).decode()
    refused("BadDigest", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"x" * 300_000, ContentMD5=wrong, **how.write)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_unencrypted_objects_say_nothing(s3, bucket):
    assert shown(s3.put_object(Bucket=bucket, Key="k", Body=b"x")) == {}
    assert shown(s3.get_object(Bucket=bucket, Key="k")) == {}
    assert shown(s3.head_object(Bucket=bucket, Key="k")) == {}


def test_the_default_key_and_the_context(s3, bucket):
    context = base64.b64encode(json.dumps({"project": "x", "ä": "ö"}).encode()).decode()
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSEncryptionContext=context)
    assert shown(answer) == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("aws/s3")}
    assert answer["SSEKMSEncryptionContext"] == context
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), "SSEKMSEncryptionContext" in found) == (b"x", False)


@pytest.mark.parametrize("form", ["alpha", "alias/alpha", arn("alpha"), arn("alpha").replace(":key/", ":alias/")])
def test_forms_of_a_key_s_name(s3, bucket, form):
    answer = s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId=form)
    assert answer["SSEKMSKeyId"] == arn("alpha")


def test_the_same_data_twice_has_two_etags_unless_they_are_md5(s3, bucket):
    for kind in ENCRYPTED:
        how = KINDS[kind]
        etags = {s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"same", **how.write)["ETag"] for number in range(2)}
        assert len(etags) == (1 if how.plain_etag else 2), kind


def test_versions_are_encrypted_each_in_its_way(s3, versioned):
    ids = {}
    for kind, how in KINDS.items():
        ids[kind] = s3.put_object(Bucket=versioned, Key="k", Body=kind.encode() * 1000, **how.write)["VersionId"]
    for kind, version_id in ids.items():
        found = s3.get_object(Bucket=versioned, Key="k", VersionId=version_id, **KINDS[kind].read)
        assert (found["Body"].read(), shown(found)) == (kind.encode() * 1000, KINDS[kind].shown)
    sizes = [row["Size"] for row in s3.list_object_versions(Bucket=versioned)["Versions"]]
    assert sorted(sizes) == sorted(len(kind) * 1000 for kind in KINDS)


@every
def test_conditions_and_tags(s3, bucket, kind, refused):
    how = KINDS[kind]
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b", **how.write)["ETag"]
    refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"y", IfNoneMatch="*", **how.write)
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": "d"}]})
    found = s3.get_object(Bucket=bucket, Key="k", IfMatch=etag, **how.read)
    assert (found["Body"].read(), found["TagCount"]) == (b"x", 1)


@pytest.mark.parametrize("kind", [*ENCRYPTED, "none"])
def test_forms(server, s3, bucket, kind):
    how = KINDS[kind]
    fields = {}
    if kind in ("SSE-S3", "SSE-KMS", "DSSE"):
        fields["x-amz-server-side-encryption"] = str(how.write["ServerSideEncryption"])
        if "SSEKMSKeyId" in how.write:
            fields["x-amz-server-side-encryption-aws-kms-key-id"] = str(how.write["SSEKMSKeyId"])
    if how.key:
        fields["x-amz-server-side-encryption-customer-algorithm"] = "AES256"
        fields["x-amz-server-side-encryption-customer-key"] = base64.b64encode(how.key).decode()
        fields["x-amz-server-side-encryption-customer-key-MD5"] = str(how.shown["SSECustomerKeyMD5"])
    conditions = [["starts-with", f"${name}", ""] for name in fields]
    form = server.client(signature_version="s3v4").generate_presigned_post(bucket, "k", Fields=dict(fields), Conditions=conditions)
    data = os.urandom(200_000)
    boundary = "----boundary"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in form["fields"].items()]
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n')
    body = "".join(parts).encode() + data + f"\r\n--{boundary}--\r\n".encode()
    address = urllib.parse.urlsplit(form["url"])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", address.path or "/", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    answer = connection.getresponse()
    assert answer.status == 204, answer.read()
    assert answer.getheader("x-amz-server-side-encryption") == how.shown.get("ServerSideEncryption")
    connection.close()
    found = s3.get_object(Bucket=bucket, Key="k", **how.read)
    assert (found["Body"].read(), found["ContentLength"]) == (data, len(data))
    assert found["ETag"] == answer.getheader("etag")


@every
def test_a_rename_needs_no_key(raw, s3, bucket, kind):
    how = KINDS[kind]
    data = os.urandom(100_000)
    etag = s3.put_object(Bucket=bucket, Key="old", Body=data, **how.write)["ETag"]
    assert raw.request("PUT", f"/{bucket}/new", "renameObject", {"x-amz-rename-source": "old"}).status == 200
    found = s3.get_object(Bucket=bucket, Key="new", **how.read)
    assert (found["Body"].read(), found["ETag"], shown(found)) == (data, etag, how.shown)


@pytest.mark.parametrize("kind", ["SSE-S3", "SSE-KMS", "DSSE"])
def test_a_transition_moves_ciphertext(s3, bucket, kind):
    """A copy into another class, which may have another erasure scheme, and its ranges."""
    data = os.urandom(300_000)
    s3.put_object(Bucket=bucket, Key="k", Body=data, StorageClass="ONEZONE_IA", **KINDS[kind].write)
    found = s3.get_object(Bucket=bucket, Key="k", Range="bytes=65000-200000")
    assert (found["Body"].read(), found["StorageClass"]) == (data[65000:200001], "ONEZONE_IA")


def test_read_while_another_kind_takes_its_place(s3, bucket):
    data = os.urandom(3_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **KINDS["DSSE"].write)
    stream = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = stream.read(100)
    s3.put_object(Bucket=bucket, Key="k", Body=b"new", **KINDS["SSE-S3"].write)
    assert first + stream.read() == data
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"
