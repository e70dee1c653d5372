"""Copies between all kinds of encryption: whole objects, and ranges as parts of an upload."""

import hashlib
import itertools
import os

import pytest
from encryption_kinds import KINDS, arn, customer, key_md5, shown

CHUNK = 64 * 1024
PART = 5 << 20
PAIRS = list(itertools.product(KINDS, KINDS))


@pytest.fixture(scope="module")
def sources(s3):
    """{kind: (bucket and key, data)}: one object of each kind, over two stripes."""
    bucket = f"sources-{os.getpid()}"
    s3.create_bucket(Bucket=bucket)
    made = {}
    for kind, how in KINDS.items():
        data = os.urandom((1 << 20) + CHUNK + 11)
        s3.put_object(Bucket=bucket, Key=kind, Body=data, Metadata={"kind": kind}, **how.write)
        made[kind] = {"Bucket": bucket, "Key": kind}, data
    return made


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_copy_object(s3, bucket, sources, source, target):
    where, data = sources[source]
    how = KINDS[target]
    answer = s3.copy_object(Bucket=bucket, Key="k", CopySource=where, **how.write, **KINDS[source].source)
    assert shown(answer) == how.shown
    etag = answer["CopyObjectResult"]["ETag"]
    assert (etag == f'"{hashlib.md5(data).hexdigest()}"') == how.plain_etag
    found = s3.get_object(Bucket=bucket, Key="k", **how.read)
    assert found["Body"].read() == data
    assert (shown(found), found["ETag"], found["Metadata"]) == (how.shown, etag, {"kind": source})
    part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={CHUNK - 1}-{CHUNK}", **how.read)["Body"].read()
    assert part == data[CHUNK - 1 : CHUNK + 1]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_upload_part_copy(s3, bucket, sources, source, target):
    where, data = sources[source]
    how = KINDS[target]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", **how.write)
    assert shown(upload) == how.shown
    name = {"Bucket": bucket, "Key": "k", "UploadId": upload["UploadId"]}
    start, end = CHUNK - 1, (1 << 20) + 3
    body = os.urandom(PART)
    etags = [s3.upload_part(**name, PartNumber=1, Body=body, **how.read)["ETag"]]
    for number, span in ((2, {"CopySourceRange": f"bytes={start}-{end - 1}"}), (3, {})):
        if number == 2 and source != "none":
            continue  # a small part in the middle is refused: the range is tested as the last part below
        answer = s3.upload_part_copy(**name, PartNumber=number, CopySource=where, **span, **how.read, **KINDS[source].source)
        assert shown(answer) == how.shown
    answer = s3.upload_part_copy(
        **name, PartNumber=2, CopySource=where, CopySourceRange=f"bytes={start}-{end - 1}", **how.read, **KINDS[source].source
    )
    etags.append(answer["CopyPartResult"]["ETag"])
    chosen = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    done = s3.complete_multipart_upload(**name, MultipartUpload={"Parts": chosen})
    if target != "SSE-C":
        assert shown(done) == how.shown
    whole = body + data[start:end]
    found = s3.get_object(Bucket=bucket, Key="k", **how.read)
    assert found["Body"].read() == whole
    assert shown(found) == how.shown
    for low, high in ((PART - 1, PART + 1), (PART + CHUNK - 1, PART + CHUNK + 1), (PART + 10, len(whole))):
        read = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={low}-{high - 1}", **how.read)["Body"].read()
        assert read == whole[low:high]


@pytest.mark.parametrize("target", [kind for kind in KINDS if kind != "none"])
def test_a_copy_onto_itself_may_change_the_encryption(s3, bucket, target, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"data")
    where = {"Bucket": bucket, "Key": "k"}
    refused("InvalidRequest", 400, s3.copy_object, CopySource=where, **where)
    answer = s3.copy_object(CopySource=where, **where, **KINDS[target].write)
    assert shown(answer) == KINDS[target].shown
    assert s3.get_object(**where, **KINDS[target].read)["Body"].read() == b"data"


def test_a_client_s_key_is_exchanged(s3, bucket):
    where = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**where, Body=b"data", **customer(b"1" * 32))
    answer = s3.copy_object(CopySource=where, **where, **customer(b"2" * 32), **customer(b"1" * 32, "CopySource"))
    assert answer["SSECustomerKeyMD5"] == key_md5(b"2" * 32)
    assert s3.get_object(**where, **customer(b"2" * 32))["Body"].read() == b"data"


def test_a_copy_takes_the_default_of_its_bucket_not_the_encryption_of_its_source(s3, bucket, sources):
    s3.copy_object(Bucket=bucket, Key="a", CopySource=sources["SSE-KMS"][0])
    assert shown(s3.head_object(Bucket=bucket, Key="a")) == {}
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "beta"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    answer = s3.copy_object(Bucket=bucket, Key="b", CopySource=sources["none"][0])
    assert shown(answer) == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("beta")}
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == sources["none"][1]


def test_empty_sources(s3, bucket):
    for source, target in PAIRS:
        where = {"Bucket": bucket, "Key": "empty"}
        s3.put_object(**where, Body=b"", **KINDS[source].write)
        s3.copy_object(Bucket=bucket, Key="copy", CopySource=where, **KINDS[target].write, **KINDS[source].source)
        found = s3.get_object(Bucket=bucket, Key="copy", **KINDS[target].read)
        assert (found["Body"].read(), shown(found)) == (b"", KINDS[target].shown), (source, target)


def test_sources_of_sse_c_without_their_key(s3, bucket, sources, refused):
    where = sources["SSE-C"][0]
    told = refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="k", CopySource=where)
    assert told["Message"] == (
        "The object was stored using a form of Server Side Encryption. "
        "The correct parameters must be provided to retrieve the object."
    )
    wrong = customer(b"w" * 32, "CopySource")
    refused("AccessDenied", 403, s3.copy_object, Bucket=bucket, Key="k", CopySource=where, **wrong)
    for kind in ("none", "SSE-S3", "SSE-KMS", "DSSE"):
        told = refused("InvalidRequest", 400, s3.copy_object, Bucket=bucket, Key="k", CopySource=sources[kind][0], **wrong)
        assert told["Message"] == "The encryption parameters are not applicable to this object."
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
