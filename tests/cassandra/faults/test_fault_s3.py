"""S3 on three nodes of metadata: with one dead everything works; with two all is refused in time, and comes back by itself."""

import asyncio
import time

import pytest
from botocore.exceptions import ClientError

NOTICED_SECONDS = 6.0  # until every driver keeps away from a node that was killed
# What S3 may take for a 503: authentication and the bucket are looked up, then the change is repeated for 8 s and its last
# statement waits 3 s.
DEADLINE_SECONDS = 25.0
RECOVERY_SECONDS = 45.0

pytestmark = pytest.mark.cassandra_cluster


def everything_once(s3, name):
    """One of each kind of request; raises what fails."""
    s3.create_bucket(Bucket=name)
    assert s3.put_object(Bucket=name, Key="plain", Body=b"1")["ETag"]
    assert s3.get_object(Bucket=name, Key="plain")["Body"].read() == b"1"
    assert s3.head_object(Bucket=name, Key="plain")["ContentLength"] == 1
    s3.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "plain"})
    s3.put_object_tagging(Bucket=name, Key="copy", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket=name, Key="copy")["TagSet"] == [{"Key": "a", "Value": "b"}]
    upload = s3.create_multipart_upload(Bucket=name, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="parts", UploadId=upload, PartNumber=1, Body=b"2" * 1000)
    assert len(s3.list_parts(Bucket=name, Key="parts", UploadId=upload)["Parts"]) == 1
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload=parts)
    ended = s3.create_multipart_upload(Bucket=name, Key="ended")["UploadId"]
    assert len(s3.list_multipart_uploads(Bucket=name)["Uploads"]) == 1
    s3.abort_multipart_upload(Bucket=name, Key="ended", UploadId=ended)
    assert [found["Key"] for found in s3.list_objects_v2(Bucket=name)["Contents"]] == ["copy", "parts", "plain"]
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="plain", Body=b"3")
    s3.delete_object(Bucket=name, Key="plain")
    versions = s3.list_object_versions(Bucket=name)
    assert (len(versions["Versions"]), len(versions["DeleteMarkers"])) == (4, 1)
    listed = [*versions["Versions"], *versions["DeleteMarkers"]]
    named = [{"Key": found["Key"], "VersionId": found["VersionId"]} for found in listed]
    assert "Errors" not in s3.delete_objects(Bucket=name, Delete={"Objects": named})
    s3.delete_bucket(Bucket=name)
    assert name not in [found["Name"] for found in s3.list_buckets()["Buckets"]]


async def test_everything_works_while_one_of_three_nodes_is_dead(nodes, s3_store, seed):
    nodes.kill(2)
    await asyncio.sleep(NOTICED_SECONDS)
    await asyncio.to_thread(everything_once, s3_store.client(), f"one-dead-{seed}")


def answer_of(request):
    """(status, code, seconds) of what must be refused."""
    begun = time.monotonic()
    try:
        request()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"].get("Code"), time.monotonic() - begun
    return 200, "", time.monotonic() - begun


async def test_without_a_quorum_s3_answers_503_in_time_and_works_again_without_a_restart(nodes, s3_store, seed):
    s3, name = s3_store.client(), f"no-quorum-{seed}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="before", Body=b"1")
    requests = {
        "put": lambda: s3.put_object(Bucket=name, Key="during", Body=b"2"),
        "get": lambda: s3.get_object(Bucket=name, Key="before"),
        "list": lambda: s3.list_objects_v2(Bucket=name),
        "delete": lambda: s3.delete_object(Bucket=name, Key="before-not"),
        "create": lambda: s3.create_bucket(Bucket=f"{name}-other"),
    }
    nodes.pause(1)
    nodes.pause(3)
    for round_number in range(2):
        answers = await asyncio.gather(*(asyncio.to_thread(answer_of, request) for request in requests.values()))
        told = dict(zip(requests, answers, strict=True))
        print(f"round {round_number}: {told}")
        assert {answer[:2] for answer in answers} == {(503, "ServiceUnavailable")}, told
        assert max(seconds for _, _, seconds in answers) < DEADLINE_SECONDS, told
    nodes.resume(1)
    nodes.resume(3)
    begun = time.monotonic()
    while True:
        answers = await asyncio.gather(*(asyncio.to_thread(answer_of, request) for request in requests.values()))
        if {status for status, _, _ in answers} == {200}:
            break
        assert time.monotonic() - begun < RECOVERY_SECONDS, answers
        await asyncio.sleep(0.5)
    print(f"everything works again {time.monotonic() - begun:.1f} s after the nodes run")
    assert s3.get_object(Bucket=name, Key="before")["Body"].read() == b"1"
