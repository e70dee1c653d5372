"""A store whose keys are in a key server (a stand-in for Vault's transit engine): use, rotation, outage. A store of its own."""

import os
import re
import time

import pytest
from botocore.exceptions import ClientError
from dev_server import ROOT, DevServer
from encryption_kinds import KINDS, shown
from inside_store import garbage, records, uploads
from raw_s3 import RawS3
from transit_server import TOKEN, TransitServer

SEALED = ["SSE-S3", "SSE-KMS", "DSSE"]
PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def transit():
    with TransitServer() as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory, transit):
    directory = tmp_path_factory.mktemp("vault")
    (directory / "token").write_text(TOKEN)
    environment = {
        "DOLMEN_KMS_VAULT_URL": transit.url,
        "DOLMEN_KMS_VAULT_TOKEN_FILE": str(directory / "token"),
        "DOLMEN_KMS_KEYS": "alpha,beta",
    }
    with DevServer(directory, environment=environment) as server:
        yield server


@pytest.fixture(scope="module")
def client(store):
    made = store.client()
    made.create_bucket(Bucket="sealed")
    return made


@pytest.mark.parametrize("kind", SEALED)
def test_objects(client, transit, kind):
    assert {"alpha", "beta"} <= set(transit.keys)
    data = os.urandom(300_000)
    answer = client.put_object(Bucket="sealed", Key=kind, Body=data, **KINDS[kind].write)
    assert shown(answer) == KINDS[kind].shown
    found = client.get_object(Bucket="sealed", Key=kind)
    assert (found["Body"].read(), shown(found)) == (data, KINDS[kind].shown)
    assert transit.keys["alpha"].derived
    if kind != "SSE-KMS":
        assert transit.keys["dolmen-s3"].derived


def test_a_multipart_upload_asks_once(client, transit):
    before = len(transit.requests)
    name = {"Bucket": "sealed", "Key": "parts"}
    name["UploadId"] = client.create_multipart_upload(**name, **KINDS["SSE-KMS"].write)["UploadId"]
    bodies = [os.urandom(5 << 20), b"end"]
    etags = [client.upload_part(**name, PartNumber=number, Body=body)["ETag"] for number, body in enumerate(bodies, 1)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
    assert client.get_object(Bucket="sealed", Key="parts")["Body"].read() == b"".join(bodies)
    assert len(transit.requests) - before == 1


def test_rotation_in_the_key_server(client, transit):
    old = os.urandom(1000)
    client.put_object(Bucket="sealed", Key="old", Body=old, **KINDS["SSE-KMS"].write)
    transit.handle("POST", "/v1/transit/keys/alpha/rotate", {})
    client.put_object(Bucket="sealed", Key="new", Body=b"new", **KINDS["SSE-KMS"].write)
    assert client.get_object(Bucket="sealed", Key="old")["Body"].read() == old
    assert client.get_object(Bucket="sealed", Key="new")["Body"].read() == b"new"


def test_updates_move_the_data_key(client, transit):
    client.put_object(Bucket="sealed", Key="moved", Body=b"data", **KINDS["SSE-S3"].write)
    wanted = {"SSEKMS": {"KMSKeyArn": KINDS["DSSE"].shown["SSEKMSKeyId"]}}
    client.update_object_encryption(Bucket="sealed", Key="moved", ObjectEncryption=wanted)
    found = client.get_object(Bucket="sealed", Key="moved")
    assert (found["Body"].read(), found["SSEKMSKeyId"]) == (b"data", KINDS["DSSE"].shown["SSEKMSKeyId"])


def unavailable(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ServiceUnavailable", 503), response


@pytest.mark.parametrize("status", [503, 403])
def test_while_the_key_server_is_away_nothing_is_half_done(client, store, transit, status):
    bucket = f"away-{status}"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="old", Body=b"old", **KINDS["SSE-KMS"].write)
    client.put_object(Bucket=bucket, Key="plain", Body=b"plain")
    name = {"Bucket": bucket, "Key": "upload"}
    upload = client.create_multipart_upload(**name, **KINDS["SSE-S3"].write)["UploadId"]
    before = garbage(store)
    transit.status = status
    try:
        for kind in SEALED:
            write = KINDS[kind].write
            unavailable(client.put_object, Bucket=bucket, Key="new", Body=b"x" * 100_000, **write)
            unavailable(client.put_object, Bucket=bucket, Key="old", Body=b"x", **write)
            unavailable(client.create_multipart_upload, Bucket=bucket, Key="new", **write)
            unavailable(client.copy_object, Bucket=bucket, Key="new", CopySource={"Bucket": bucket, "Key": "plain"}, **write)
        beta = {"SSEKMS": {"KMSKeyArn": KINDS["DSSE"].shown["SSEKMSKeyId"]}}
        unavailable(client.update_object_encryption, Bucket=bucket, Key="old", ObjectEncryption=beta)
        client.put_object(Bucket=bucket, Key="plain", Body=b"plain 2")
        client.put_object(Bucket=bucket, Key="own", Body=b"own", **KINDS["SSE-C"].write)
        assert client.get_object(Bucket=bucket, Key="plain")["Body"].read() == b"plain 2", "what needs no keys goes on"
        assert client.get_object(Bucket=bucket, Key="own", **KINDS["SSE-C"].read)["Body"].read() == b"own"
        assert client.head_object(Bucket=bucket, Key="old")["ServerSideEncryption"] == "aws:kms"
        assert store.get("/readyz")[0] == 200
    finally:
        transit.status = 0
    assert set(records(store, bucket)) == {"old", "own", "plain"}
    assert [row.upload_id for row in uploads(store, bucket)] == [upload]
    assert len(stripes_of(garbage(store)) - stripes_of(before)) <= 1, "what was replaced; nothing that was refused got so far"
    assert client.get_object(Bucket=bucket, Key="old")["Body"].read() == b"old"
    client.upload_part(**name, UploadId=upload, PartNumber=1, Body=b"x")


class Slow:
    """A sealed PUT whose second half comes later."""

    SIZE = 10 << 20

    def __init__(self, store, bucket, key):
        self.data = os.urandom(self.SIZE)
        path = f"/{bucket}/{key}"
        raw = RawS3(store.port, ROOT)
        sealed = {"x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": "alpha"}
        headers, _ = raw.headers_for("PUT", path, headers={"Content-Length": str(self.SIZE), **sealed})
        self.wire = raw.connect()
        self.wire.head("PUT", path, headers)
        self.wire.send(self.data[: self.SIZE // 2])


def half_written(transit, asked):
    """The key server was asked, so the body is being taken."""
    until(lambda: transit.count("datakey") > asked)


def until(condition):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_outage_in_the_middle_of_a_put_does_not_end_it(client, store, transit):
    """The key is there before the first byte is taken; nothing is asked at the end."""
    client.create_bucket(Bucket="middle")
    asked = transit.count("datakey")
    put = Slow(store, "middle", "k")
    half_written(transit, asked)
    transit.status = 503
    try:
        with put.wire:
            put.wire.send(put.data[Slow.SIZE // 2 :])
            assert put.wire.answer().status == 200
    finally:
        transit.status = 0
    assert client.get_object(Bucket="middle", Key="k")["Body"].read() == put.data


def test_a_put_that_breaks_off_while_the_key_server_is_away_leaves_garbage_only(client, store, transit):
    client.create_bucket(Bucket="broken")
    before, there = stripes_of(garbage(store)), fragments(store)
    asked = transit.count("datakey")
    put = Slow(store, "broken", "k")
    half_written(transit, asked)
    transit.status = 503
    try:
        with put.wire:
            until(lambda: fragments(store) >= there + 6)  # a stripe of it is on disks
        until(lambda: metric(store, "dolmen_s3_requests_in_flight") == 0)
        assert records(store, "broken") == {}
        assert uploads(store, "broken") == []
        assert len(stripes_of(garbage(store)) - before) >= 1, "stripes that were written are noted"
    finally:
        transit.status = 0


def fragments(server):
    return sum(disk["fragments"] for disk in server.status()["disks"])


def metric(server, name):
    page = server.get("/metrics")[1].decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page, re.MULTILINE))


def stripes_of(layouts):
    return {
        (run.base, number)
        for layout in layouts
        for segment in layout.segments
        for run in segment.runs
        for number in range(run.first, run.first + run.count)
    }


def test_a_start_without_the_key_server(client, store, transit):
    """Last: it stops the store. Reads wait for the key server; the store does not."""
    client.create_bucket(Bucket="half")
    client.put_object(Bucket="sealed", Key="kept", Body=b"kept", **KINDS["SSE-KMS"].write)
    name = {"Bucket": "half", "Key": "upload"}
    upload = client.create_multipart_upload(**name, **KINDS["SSE-KMS"].write)["UploadId"]
    bodies = [os.urandom(5 << 20), b"the end"]
    etags = [client.upload_part(**name, UploadId=upload, PartNumber=1, Body=bodies[0])["ETag"]]
    assert store.stop() == 0
    transit.status = 503
    store.start()
    before = stripes_of(garbage(store))
    try:
        unavailable(client.get_object, Bucket="sealed", Key="kept")
        client.put_object(Bucket="sealed", Key="plain", Body=b"plain")
        unavailable(client.upload_part, **name, UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20))
        unavailable(client.upload_part, **name, UploadId=upload, PartNumber=2, Body=bodies[1])
        source = {"Bucket": "sealed", "Key": "kept"}
        unavailable(client.copy_object, Bucket="half", Key="copy", CopySource=source)
        unavailable(client.upload_part_copy, **name, UploadId=upload, PartNumber=2, CopySource=source)
        assert [part["ETag"] for part in client.list_parts(**name, UploadId=upload)["Parts"]] == etags
        assert records(store, "half") == {}
        assert [row.upload_id for row in uploads(store, "half")] == [upload]
        replaced = stripes_of(garbage(store)) - before
        assert len(replaced) <= 1, "of the plain object; of the rest nothing was written"
    finally:
        transit.status = 0
    etags.append(client.upload_part(**name, UploadId=upload, PartNumber=2, Body=bodies[1])["ETag"])
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    client.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    assert client.get_object(**name)["Body"].read() == b"".join(bodies)
    assert client.get_object(Bucket="sealed", Key="kept")["Body"].read() == b"kept"
