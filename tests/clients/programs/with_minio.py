"""minio-py with default settings. Usage: with_minio.py STEP ENDPOINT BUCKET DIRECTORY; a step is a function of this file."""

import datetime
import io
import os
import pathlib
import random
import sys
import urllib.request

import minio
from minio.commonconfig import ENABLED, ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.versioningconfig import VersioningConfig

# Without dot segments, "//" and a leading slash: its HTTP library takes them out of the path before it sends it.
KEYS = [
    *("plain", "with space", "plus+sign", "percent%20literal", "a&b=c;d@e,f?g#h", "ünïcode-€-日本-😀"),
    *("folder/", "a", "a/b", "a+1/b", "k" * 1000, "quote\"'<>\\^`{|}~*()!"),
]
BIG = random.Random(2).randbytes(20 * 1024 * 1024)


def refused(code, call, *arguments, **named):
    try:
        told = call(*arguments, **named)
    except minio.error.S3Error as error:
        told = error.code
    assert told == code


def read(client, *arguments, **named):
    answer = client.get_object(*arguments, **named)
    try:
        return answer.read()
    finally:
        answer.close()
        answer.release_conn()


def objects(client, bucket, work):
    client.make_bucket(bucket)
    assert client.bucket_exists(bucket)
    assert bucket in [found.name for found in client.list_buckets()]
    for number, key in enumerate(KEYS):
        body = key.encode() * number
        client.put_object(bucket, key, io.BytesIO(body), len(body), content_type="text/x-odd", metadata={"number": str(number)})
    for number, key in enumerate(KEYS):
        assert read(client, bucket, key) == key.encode() * number, key
        found = client.stat_object(bucket, key)
        assert (found.size, found.content_type) == (len(key.encode()) * number, "text/x-odd"), key
        assert found.metadata["x-amz-meta-number"] == str(number), key
    assert read(client, bucket, "with space", offset=2, length=3) == b"th "
    expected = sorted(KEYS, key=str.encode)
    for v1 in (False, True):
        listed = list(client.list_objects(bucket, recursive=True, use_api_v1=v1))
        assert [found.object_name for found in listed] == expected, v1
        folders = [found.object_name for found in client.list_objects(bucket, use_api_v1=v1) if found.is_dir]
        assert sorted(folders) == ["a+1/", "a/", "folder/"], v1
    assert [found.object_name for found in client.list_objects(bucket, prefix="a/", start_after="a/a")] == ["a/b"]
    client.copy_object(bucket, "copy é+", CopySource(bucket, "ünïcode-€-日本-😀"))
    assert read(client, bucket, "copy é+") == read(client, bucket, "ünïcode-€-日本-😀")
    refused("NoSuchKey", client.stat_object, bucket, "missing")
    refused("NoSuchKey", client.get_object, bucket, "missing")
    client.remove_object(bucket, "copy é+")
    refused("BucketNotEmpty", client.remove_bucket, bucket)
    assert list(client.remove_objects(bucket, [DeleteObject(key) for key in KEYS])) == []
    assert list(client.list_objects(bucket, recursive=True)) == []
    client.remove_bucket(bucket)
    assert not client.bucket_exists(bucket)


def transfers(client, bucket, work):
    client.make_bucket(bucket)
    source, target = work / "source", work / "target"
    source.write_bytes(BIG)
    client.fput_object(bucket, "big é", str(source))
    assert client.stat_object(bucket, "big é").etag.endswith("-4")
    client.fget_object(bucket, "big é", str(target))
    assert target.read_bytes() == BIG
    # A stream of unknown length.
    client.put_object(bucket, "stream", io.BytesIO(BIG), -1, part_size=6 * 1024 * 1024)
    assert read(client, bucket, "stream") == BIG
    # Server side: a copy in one part and one by UploadPartCopy.
    client.compose_object(bucket, "composed", [ComposeSource(bucket, "big é"), ComposeSource(bucket, "stream")])
    assert read(client, bucket, "composed") == BIG + BIG


def versions(client, bucket, work):
    client.make_bucket(bucket)
    client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    assert client.get_bucket_versioning(bucket).status == ENABLED
    ids = [client.put_object(bucket, "k", io.BytesIO(b"%d" % n), 1).version_id for n in range(3)]
    client.remove_object(bucket, "k")
    refused("NoSuchKey", client.get_object, bucket, "k")
    listed = list(client.list_objects(bucket, include_version=True))
    assert [found.version_id for found in listed if not found.is_delete_marker] == ids[::-1]
    assert read(client, bucket, "k", version_id=ids[0]) == b"0"
    told = client.remove_objects(bucket, [DeleteObject("k", found.version_id) for found in listed])
    assert list(told) == []
    client.remove_bucket(bucket)


def presigned(client, bucket, work):
    client.make_bucket(bucket)
    expires = datetime.timedelta(minutes=5)
    for key in ("plain", "odd +é€/x"):
        url = client.presigned_put_object(bucket, key, expires)
        urllib.request.urlopen(urllib.request.Request(url, b"presigned", method="PUT"))
        with urllib.request.urlopen(client.presigned_get_object(bucket, key, expires)) as answer:
            assert answer.read() == b"presigned"
        url = client.get_presigned_url("DELETE", bucket, key, expires)
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"))
        refused("NoSuchKey", client.stat_object, bucket, key)


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    made = minio.Minio(endpoint.removeprefix("http://"), *keys, secure=False)
    globals()[step](made, bucket, pathlib.Path(directory))
