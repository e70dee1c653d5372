"""If-Match and If-None-Match on writes: decided at the commit point, one winner whatever races.

DOLMEN_RACE_ROUNDS sets how many rounds each race has (a campaign takes 200).
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

RACE_ROUNDS = int(os.environ.get("DOLMEN_RACE_ROUNDS", "3"))
SLOW_RACE_ROUNDS = int(os.environ.get("DOLMEN_RACE_ROUNDS", "1"))  # of those whose preparation takes longer than they do
WRITERS = 64
OTHER = '"00000000000000000000000000000000"'


def test_create_only(s3, bucket, refused):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")
    error = refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"second", IfNoneMatch="*")
    assert error["Condition"] == "If-None-Match"
    assert s3.get_object(Bucket=bucket, Key="k")["ETag"] == first["ETag"]
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"third", IfNoneMatch="*")


def test_compare_and_swap(s3, bucket, refused):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"one")["ETag"]
    newer = s3.put_object(Bucket=bucket, Key="k", Body=b"two", IfMatch=etag)["ETag"]
    error = refused("PreconditionFailed", 412, s3.put_object, Bucket=bucket, Key="k", Body=b"three", IfMatch=etag)
    assert error["Condition"] == "If-Match"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"two"
    s3.put_object(Bucket=bucket, Key="k", Body=b"three", IfMatch=newer.strip('"'))


def test_swap_of_nothing(s3, bucket, refused):
    refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfMatch=OTHER)
    refused("NoSuchKey", 404, s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfMatch="*")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_etag_in_if_none_match_is_not_implemented(s3, bucket, refused):
    refused("NotImplemented", 501, s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfNoneMatch=OTHER)


def test_a_delete_marker_counts_as_nothing(s3, versioned, refused):
    etag = s3.put_object(Bucket=versioned, Key="k", Body=b"one")["ETag"]
    s3.delete_object(Bucket=versioned, Key="k")
    refused("NoSuchKey", 404, s3.put_object, Bucket=versioned, Key="k", Body=b"x", IfMatch=etag)
    s3.put_object(Bucket=versioned, Key="k", Body=b"two", IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.put_object, Bucket=versioned, Key="k", Body=b"x", IfNoneMatch="*")


def test_conditional_copy(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="source", Body=b"source")
    source = {"Bucket": bucket, "Key": "source"}
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="k", CopySource=source, IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.copy_object, Bucket=bucket, Key="k", CopySource=source, IfMatch=OTHER)
    refused("NoSuchKey", 404, s3.copy_object, Bucket=bucket, Key="none", CopySource=source, IfMatch=OTHER)


def started(s3, bucket, key, body=b"part"):
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=body)
    parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    return {"Bucket": bucket, "Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}}


def test_conditional_completion(s3, bucket, refused):
    late = started(s3, bucket, "k")
    s3.complete_multipart_upload(**started(s3, bucket, "k"), IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, **late, IfNoneMatch="*")
    refused("PreconditionFailed", 412, s3.complete_multipart_upload, **late, IfMatch=OTHER)
    # The upload is still there, and may be completed after all.
    etag = s3.head_object(Bucket=bucket, Key="k")["ETag"]
    s3.complete_multipart_upload(**late, IfMatch=etag)
    refused("NoSuchKey", 404, s3.complete_multipart_upload, **started(s3, bucket, "none"), IfMatch=OTHER)


def test_conditional_delete(s3, bucket, refused):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    refused("PreconditionFailed", 412, s3.delete_object, Bucket=bucket, Key="k", IfMatch=OTHER)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    refused("NoSuchKey", 404, s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k", IfMatch="*")


def test_conditional_delete_by_size_and_time(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"four")
    named = {"Bucket": bucket, "Key": "k"}
    modified = s3.head_object(**named)["LastModified"]
    refused("PreconditionFailed", 412, s3.delete_object, **named, IfMatchSize=5)
    earlier = modified.replace(year=modified.year - 1)
    refused("PreconditionFailed", 412, s3.delete_object, **named, IfMatchLastModifiedTime=earlier)
    s3.delete_object(**named, IfMatchSize=4, IfMatchLastModifiedTime=modified)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_conditional_delete_in_a_versioned_bucket(s3, versioned, refused):
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old")
    new = s3.put_object(Bucket=versioned, Key="k", Body=b"new")
    named = {"Bucket": versioned, "Key": "k"}
    refused("PreconditionFailed", 412, s3.delete_object, **named, IfMatch=old["ETag"])
    refused("PreconditionFailed", 412, s3.delete_object, **named, VersionId=old["VersionId"], IfMatch=new["ETag"])
    s3.delete_object(**named, VersionId=old["VersionId"], IfMatch=old["ETag"])
    s3.delete_object(**named, IfMatch=new["ETag"])
    rows = s3.list_object_versions(Bucket=versioned)
    assert [row["VersionId"] for row in rows["Versions"]] == [new["VersionId"]]
    assert len(rows["DeleteMarkers"]) == 1
    refused("NoSuchKey", 404, s3.delete_object, **named, IfMatch=new["ETag"])


# -- races ---------------------------------------------------------------------------------------------------------------


def race(calls):
    """Run all calls at once; returns the indices of those that won. The others must have been told 412 (or 409, 404)."""
    barrier = threading.Barrier(len(calls))

    def attempt(call):
        barrier.wait()
        try:
            call()
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        return 200

    with ThreadPoolExecutor(len(calls)) as pool:
        outcomes = list(pool.map(attempt, calls))
    assert set(outcomes) <= {200, 412, 409, 404}, outcomes
    return [index for index, outcome in enumerate(outcomes) if outcome == 200]


@pytest.mark.long
@pytest.mark.parametrize("number", range(RACE_ROUNDS))
def test_racing_creators_of_an_object(clients, bucket, number):
    calls = [
        lambda client=clients[index % 8], body=b"%d" % index: client.put_object(
            Bucket=bucket, Key="k", Body=body, IfNoneMatch="*"
        )
        for index in range(WRITERS)
    ]
    winners = race(calls)
    assert len(winners) == 1
    assert clients[0].get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % winners[0]


@pytest.mark.long
@pytest.mark.parametrize("number", range(RACE_ROUNDS))
def test_racing_swaps(clients, versioned, number):
    etag = clients[0].put_object(Bucket=versioned, Key="k", Body=b"before")["ETag"]
    calls = [
        lambda client=clients[index % 8], body=b"%d" % index: client.put_object(
            Bucket=versioned, Key="k", Body=body, IfMatch=etag
        )
        for index in range(WRITERS)
    ]
    winners = race(calls)
    assert len(winners) == 1
    assert len(clients[0].list_object_versions(Bucket=versioned)["Versions"]) == 2


@pytest.mark.long
@pytest.mark.parametrize("number", range(SLOW_RACE_ROUNDS))
def test_racing_copies(clients, bucket, number):
    for index in range(4):
        clients[0].put_object(Bucket=bucket, Key=f"s{index}", Body=b"%d" % index)
    calls = [
        lambda client=clients[index % 8], source=f"s{index % 4}": client.copy_object(
            Bucket=bucket, Key="k", CopySource={"Bucket": bucket, "Key": source}, IfNoneMatch="*"
        )
        for index in range(WRITERS)
    ]
    winners = race(calls)
    assert len(winners) == 1
    assert clients[0].get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % (winners[0] % 4)


@pytest.mark.long
@pytest.mark.parametrize("number", range(SLOW_RACE_ROUNDS))
def test_racing_completions(clients, bucket, number):
    with ThreadPoolExecutor(8) as pool:
        uploads = list(pool.map(lambda index: started(clients[index % 8], bucket, "k", b"%d" % index), range(WRITERS)))
    calls = [
        lambda client=clients[index % 8], upload=upload: client.complete_multipart_upload(**upload, IfNoneMatch="*")
        for index, upload in enumerate(uploads)
    ]
    winners = race(calls)
    assert len(winners) == 1
    assert clients[0].get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % winners[0]
    assert len(clients[0].list_multipart_uploads(Bucket=bucket)["Uploads"]) == WRITERS - 1


@pytest.mark.long
@pytest.mark.parametrize("number", range(RACE_ROUNDS))
def test_one_register_counts_right(clients, bucket, number):
    """Increments by compare-and-swap from many clients: none is lost."""
    clients[0].put_object(Bucket=bucket, Key="counter", Body=b"0")
    threads, each = 8, 4

    def increment(client):
        done = 0
        while done < each:
            answer = client.get_object(Bucket=bucket, Key="counter")
            value, etag = int(answer["Body"].read()), answer["ETag"]
            try:
                client.put_object(Bucket=bucket, Key="counter", Body=str(value + 1).encode(), IfMatch=etag)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (412, 409):
                    raise
            else:
                done += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(increment, clients))
    assert clients[0].get_object(Bucket=bucket, Key="counter")["Body"].read() == b"%d" % (threads * each)
