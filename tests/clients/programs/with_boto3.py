"""boto3 with default settings, but without retries: they would hide errors of the store.

Usage: with_boto3.py STEP ENDPOINT BUCKET DIRECTORY; a step is a function of this file.
"""

import hashlib
import pathlib
import random
import sys
import urllib.request

import boto3
import botocore.exceptions
from botocore.config import Config

KEYS = [
    *("plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀", "tab\tnewline\n"),
    *("//two//slashes//", "./dot", "../dots/../x", "folder/", "a", "a/b", "a+1/b", "k" * 1024, "quote\"'<>\\^`{|}~*()!"),
]
BIG = random.Random(1).randbytes(20 * 1024 * 1024)


def refused(code, call, **arguments):
    try:
        told = call(**arguments)
    except botocore.exceptions.ClientError as error:
        told = error.response["Error"]["Code"]
    assert told == code


def buckets(s3, bucket, work):
    s3.create_bucket(Bucket=bucket)
    s3.get_waiter("bucket_exists").wait(Bucket=bucket)
    assert bucket in [found["Name"] for found in s3.list_buckets()["Buckets"]]
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] is None
    s3.put_object(Bucket=bucket, Key="k")
    refused("BucketNotEmpty", s3.delete_bucket, Bucket=bucket)
    boto3.resource("s3", endpoint_url=s3.meta.endpoint_url).Bucket(bucket).objects.all().delete()
    s3.delete_bucket(Bucket=bucket)
    s3.get_waiter("bucket_not_exists").wait(Bucket=bucket)
    refused("404", s3.head_bucket, Bucket=bucket)
    refused("NoSuchBucket", s3.list_objects_v2, Bucket=bucket)


def objects(s3, bucket, work):
    s3.create_bucket(Bucket=bucket)
    for number, key in enumerate(KEYS):
        body = key.encode() * number
        put = s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"number": str(number)}, ContentType="text/x-odd")
        assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"', key
    for number, key in enumerate(KEYS):
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read() == key.encode() * number, key
        assert (got["Metadata"], got["ContentType"]) == ({"number": str(number)}, "text/x-odd"), key
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode()) * number
    expected = sorted(KEYS, key=str.encode)
    for operation in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(operation).paginate(Bucket=bucket, PaginationConfig={"PageSize": 3})
        assert [found["Key"] for page in pages for found in page["Contents"]] == expected, operation
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2}))
    prefixes = [found["Prefix"] for page in pages for found in page.get("CommonPrefixes", [])]
    assert prefixes == sorted({f"{key.split('/')[0]}/" for key in KEYS if "/" in key}, key=str.encode)
    assert s3.get_object(Bucket=bucket, Key="with space", Range="bytes=2-4")["Body"].read() == b"th "
    refused("404", s3.head_object, Bucket=bucket, Key="missing")
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="missing")
    s3.delete_object(Bucket=bucket, Key="plain")
    told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in KEYS]})
    assert sorted(found["Key"] for found in told["Deleted"]) == sorted(KEYS), told
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def transfers(s3, bucket, work):
    s3.create_bucket(Bucket=bucket)
    source, target = work / "source", work / "target"
    source.write_bytes(BIG)
    s3.upload_file(str(source), bucket, "big", ExtraArgs={"Metadata": {"m": "v"}, "StorageClass": "STANDARD_IA"})
    head = s3.head_object(Bucket=bucket, Key="big")
    assert (head["ContentLength"], head["StorageClass"], head["Metadata"]) == (len(BIG), "STANDARD_IA", {"m": "v"})
    part_bytes = 8 * 1024 * 1024
    digests = [hashlib.md5(BIG[at : at + part_bytes]).digest() for at in range(0, len(BIG), part_bytes)]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-{len(digests)}"'
    s3.download_file(bucket, "big", str(target))
    assert target.read_bytes() == BIG
    with source.open("rb") as file:
        s3.upload_fileobj(file, bucket, "from-file")
    s3.copy({"Bucket": bucket, "Key": "from-file"}, bucket, "copy")
    with target.open("wb") as file:
        s3.download_fileobj(bucket, "copy", file)
    assert target.read_bytes() == BIG
    second = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert second["Body"].read() == BIG[part_bytes : 2 * part_bytes]
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["ObjectParts", "ObjectSize", "Checksum"])
    assert (attributes["ObjectSize"], attributes["ObjectParts"]["TotalPartsCount"]) == (len(BIG), 3)


def files(s3, bucket, work):
    """One connection: an empty file, whose "Expect: 100-continue" has nothing to wait for, must not confuse the next one."""
    s3.create_bucket(Bucket=bucket)
    bodies = {"empty": b"", "small": b"small" * 100}
    for name, body in bodies.items():
        (work / name).write_bytes(body)
    for _ in range(2):
        for name, body in bodies.items():
            with (work / name).open("rb") as file:
                s3.put_object(Bucket=bucket, Key=name, Body=file)
            assert s3.get_object(Bucket=bucket, Key=name)["Body"].read() == body
            refused("NoSuchBucket", s3.put_object, Bucket=f"{bucket}-missing", Key=name, Body=(work / name).open("rb"))


def multipart(s3, bucket, work):
    s3.create_bucket(Bucket=bucket)
    part_bytes = 5 * 1024 * 1024
    s3.put_object(Bucket=bucket, Key="source", Body=BIG)
    at = {"Bucket": bucket, "Key": "k/é +"}
    upload = {**at, "UploadId": s3.create_multipart_upload(**at, ContentType="text/x-parts")["UploadId"]}
    listed = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [(found["Key"], found["UploadId"]) for found in listed] == [(at["Key"], upload["UploadId"])]
    first = s3.upload_part(**upload, PartNumber=1, Body=BIG[:part_bytes])
    span = f"bytes={part_bytes}-{len(BIG) - 1}"
    second = s3.upload_part_copy(**upload, PartNumber=2, CopySource={"Bucket": bucket, "Key": "source"}, CopySourceRange=span)
    parts = [{"PartNumber": 1, "ETag": first["ETag"]}, {"PartNumber": 2, "ETag": second["CopyPartResult"]["ETag"]}]
    found = s3.list_parts(**upload)["Parts"]
    assert [(part["PartNumber"], part["ETag"]) for part in found] == [(part["PartNumber"], part["ETag"]) for part in parts]
    refused("InvalidPartOrder", s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts[::-1]})
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    got = s3.get_object(**at)
    assert (got["ContentType"], got["Body"].read() == BIG) == ("text/x-parts", True)
    gone = {**at, "UploadId": s3.create_multipart_upload(**at)["UploadId"]}
    s3.upload_part(**gone, PartNumber=1, Body=b"x")
    s3.abort_multipart_upload(**gone)
    refused("NoSuchUpload", s3.list_parts, **gone)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def versions(s3, bucket, work):
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"null")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    ids = [s3.put_object(Bucket=bucket, Key="k", Body=str(n).encode())["VersionId"] for n in range(3)]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    listed = s3.list_object_versions(Bucket=bucket)
    assert [found["VersionId"] for found in listed["Versions"]] == [*reversed(ids), "null"]
    assert [found["VersionId"] for found in listed["DeleteMarkers"]] == [marker["VersionId"]]
    assert s3.get_object(Bucket=bucket, Key="k", VersionId=ids[0])["Body"].read() == b"0"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    boto3.resource("s3", endpoint_url=s3.meta.endpoint_url).Bucket(bucket).object_versions.all().delete()
    s3.delete_bucket(Bucket=bucket)


def presigned(s3, bucket, work):
    """The URLs are used without a client."""
    use_presigned(boto3.client("s3", endpoint_url=s3.meta.endpoint_url, config=Config(signature_version="s3v4")), bucket)


def presigned_by_default(s3, bucket, work):
    """boto3 still signs URLs of us-east-1 with version 2."""
    use_presigned(s3, bucket)


def use_presigned(s3, bucket):
    s3.create_bucket(Bucket=bucket)
    for key in ("plain", "odd +é€/x"):
        at = {"Bucket": bucket, "Key": key}
        url = s3.generate_presigned_url("put_object", Params={**at, "ContentType": "text/x-presigned"})
        headers = {"Content-Type": "text/x-presigned"}
        urllib.request.urlopen(urllib.request.Request(url, b"presigned", headers, method="PUT"))
        url = s3.generate_presigned_url("get_object", Params={**at, "ResponseContentType": "text/x-other"})
        with urllib.request.urlopen(url) as answer:
            assert (answer.read(), answer.headers["Content-Type"]) == (b"presigned", "text/x-other")
        url = s3.generate_presigned_url("delete_object", Params=at)
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))
        refused("404", s3.head_object, **at)


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    client = boto3.client("s3", endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}))
    globals()[step](client, bucket, pathlib.Path(directory))
