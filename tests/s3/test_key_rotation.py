"""``dolmen kms`` beside a store that runs: rotations, a pass that is killed, disabled keys, a new cluster key."""

import concurrent.futures
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest
from botocore.exceptions import ClientError
from dev_server import DevServer
from encryption_kinds import ENCRYPTED, KINDS, arn, shown
from inside_store import digests_of_volumes, inside, records

KNOWN_SECONDS = 5.0  # within this every gateway knows that a key is disabled
PATIENCE_SECONDS = 30.0  # a loaded machine; changes of keys are known after 5 s
BUCKET = "rotated"
PART = 5 << 20
MANY = 400  # objects of the pass that is killed: half a second of work at least
SEALED_BY_KEYS = [kind for kind in ENCRYPTED if kind != "SSE-C"]


@pytest.fixture
def store(tmp_path):
    """One for each test: keys that one has rotated are not what another expects."""
    with DevServer(tmp_path, workers=2, environment={"DOLMEN_KMS_KEYS": "alpha,beta"}) as server:
        yield server
        told = [line for line in server.output().splitlines() if " error " in line or "unexpected" in line]
        assert not told, told[:5]


@pytest.fixture
def client(store):
    made = store.client()
    made.create_bucket(Bucket=BUCKET)
    return made


def command(store, *arguments):
    return [sys.executable, "-m", "dolmen.cli", "kms", *arguments, "--directory", str(store.data)]


def kms(store, *arguments):
    """The JSON that ``dolmen kms`` answers."""
    done = subprocess.run([*command(store, *arguments), "--output", "json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class Objects:
    """Objects of all kinds, and what was put into them."""

    def __init__(self, client):
        self._client = client
        self.made = {}

    def put(self, key, kind, size=20_000):
        data = os.urandom(size)
        self._client.put_object(Bucket=BUCKET, Key=key, Body=data, **KINDS[kind].write)
        self.made[key] = kind, hashlib.sha256(data).digest()

    def put_parts(self, key, kind):
        name = {"Bucket": BUCKET, "Key": key}
        name["UploadId"] = self._client.create_multipart_upload(**name, **KINDS[kind].write)["UploadId"]
        bodies = [os.urandom(PART), os.urandom(70_000)]
        etags = [
            self._client.upload_part(**name, PartNumber=number, Body=body, **KINDS[kind].read)["ETag"]
            for number, body in enumerate(bodies, 1)
        ]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        self._client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
        self.made[key] = kind, hashlib.sha256(b"".join(bodies)).digest()

    def read(self, key):
        kind, digest = self.made[key]
        found = self._client.get_object(Bucket=BUCKET, Key=key, **KINDS[kind].read)
        assert hashlib.sha256(found["Body"].read()).digest() == digest, key
        assert shown(found) == KINDS[kind].shown, key

    def read_all(self):
        for key in list(self.made):
            self.read(key)


@pytest.fixture
def objects(client):
    made = Objects(client)
    for kind in KINDS:
        made.put(f"{kind}/small", kind, 1)
        made.put(f"{kind}/large", kind, 300_000)
        made.put_parts(f"{kind}/parts", kind)
    return made


def versions(store, bucket=BUCKET):
    """{algorithm: versions of keys that seal}."""
    found = {}
    for record in records(store, bucket).values():
        sealed = record.mutable.encryption
        if sealed is not None:
            found.setdefault(sealed.algorithm, set()).add(sealed.key_version)
    return found


def test_a_rotation_while_objects_are_written_and_read(store, objects):
    ended = threading.Event()

    def work(number):
        count = 0
        while not ended.is_set():
            kind = SEALED_BY_KEYS[count % len(SEALED_BY_KEYS)]
            objects.put(f"{kind}/during/{number}/{count}", kind, 5000)
            objects.read(f"{kind}/during/{number}/{count}")
            objects.read(f"{kind}/large")
            count += 1
            ended.wait(0.1)  # the commands need some of the machine
        return count

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        working = [pool.submit(work, number) for number in range(2)]
        try:
            for name, number in (("alpha", 2), ("beta", 2), ("dolmen/s3", 2), ("alpha", 3)):
                assert kms(store, "rotate", name) == {"name": name, "version": number, "enabled": True}
            done = kms(store, "rewrap")
        finally:
            ended.set()
        assert all(one.result() > 0 for one in working), "nobody was refused anything"
    assert done["left"] == 0
    assert done["seen"] >= 3 * len(KINDS), "at least what was there before"
    assert versions(store) == {"AES256": {2}, "aws:kms": {3}, "aws:kms:dsse": {2}, "SSE-C": {0}}
    objects.read_all()
    found = {key["name"]: key["version"] for key in kms(store, "list")["keys"]}
    assert found == {"alpha": 3, "beta": 2, "dolmen/s3": 2}


def test_a_disabled_key_is_refused_by_name_until_it_is_enabled(store, objects):
    clients = [store.client() for _ in range(8)]  # their connections are spread over both gateways
    assert kms(store, "disable", "alpha") == {"name": "alpha", "version": 1, "enabled": False}

    def refused(call, **arguments):
        try:
            call(**arguments)
        except ClientError as error:
            told = error.response
            assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == ("KMS.DisabledException", 400)
            assert told["Error"]["Message"] == f"{arn('alpha')} is disabled."
            return True
        return False

    def everywhere(state):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while {refused(one.get_object, Bucket=BUCKET, Key="SSE-KMS/small") for one in clients} != {state}:
            assert time.monotonic() < deadline
            time.sleep(0.2)

    everywhere(True)
    time.sleep(KNOWN_SECONDS)  # a new connection may lead to a gateway that was not asked yet
    write = KINDS["SSE-KMS"].write
    name = {"Bucket": BUCKET, "Key": "new"}
    for one in clients:
        assert refused(one.put_object, **name, Body=b"x", **write)
        assert refused(one.create_multipart_upload, **name, **write)
        assert refused(one.copy_object, **name, CopySource=f"{BUCKET}/SSE-S3/small", **write)
        assert refused(one.copy_object, **name, CopySource=f"{BUCKET}/SSE-KMS/small")
        assert one.head_object(Bucket=BUCKET, Key="SSE-KMS/small")["SSEKMSKeyId"] == arn("alpha"), "a HEAD opens nothing"
    for kind in ("SSE-S3", "DSSE", "SSE-C", "none"):
        objects.read(f"{kind}/large")
    assert "new" not in records(store, BUCKET)
    kms(store, "enable", "alpha")
    everywhere(False)
    objects.read_all()


@pytest.mark.campaign
def test_a_pass_that_is_killed_goes_on(store, client):
    client.create_bucket(Bucket="many")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        putting = [
            pool.submit(client.put_object, Bucket="many", Key=f"{number:04d}", Body=b"%d" % number, **KINDS["SSE-KMS"].write)
            for number in range(MANY)
        ]
        for one in putting:
            one.result()
    version = kms(store, "rotate", "alpha")["version"]

    async def first(metadata):
        bucket = await metadata.get_bucket("many")
        while True:
            record = await metadata.get_version(bucket.bucket_id, b"0000")
            if record.mutable.encryption.key_version == version:
                running.send_signal(signal.SIGKILL)
                return
            assert running.poll() is None, "it ended before its first object"

    running = subprocess.Popen(command(store, "rewrap"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    inside(store, first)
    _, told = running.communicate()
    assert running.returncode == -signal.SIGKILL
    assert "versions seen" in told or "begins in" in told, "progress in lines"
    assert versions(store, "many") == {"aws:kms": {version - 1, version}}, "it was in the middle"
    for number in (0, MANY // 2, MANY - 1):
        assert client.get_object(Bucket="many", Key=f"{number:04d}")["Body"].read() == b"%d" % number
    done = kms(store, "rewrap")
    assert done["left"] == 0
    assert versions(store, "many") == {"aws:kms": {version}}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        got = pool.map(lambda n: client.get_object(Bucket="many", Key=f"{n:04d}")["Body"].read(), range(MANY))
        assert list(got) == [b"%d" % number for number in range(MANY)]


def test_a_new_cluster_key_touches_no_data(store, objects):
    keyring = store.data / "encryption.key"
    disks, before = digests_of_volumes(store), records(store, BUCKET)
    old = keyring.read_text().splitlines()
    done = kms(store, "rotate-cluster-key")
    assert (done["current"], done["added"]) == ("key-2", "key-2")
    assert done["rewrapped"] == sum(key["version"] for key in kms(store, "list")["keys"])
    assert keyring.read_text().splitlines()[1:] == old
    objects.read_all()
    assert kms(store, "rotate-cluster-key", "--drop-old")["dropped"] == ["key-1"]
    assert not set(old) & set(keyring.read_text().splitlines())
    assert stat.S_IMODE(keyring.stat().st_mode) == 0o600
    assert [one["id"] for one in kms(store, "list")["cluster_keys"]] == ["key-2"]
    objects.read_all()
    assert digests_of_volumes(store) == disks
    assert records(store, BUCKET) == before, "not a row of an object was changed"


def test_after_a_restart_the_new_cluster_key_is_enough(store, objects):
    kms(store, "rotate-cluster-key")
    kms(store, "rotate-cluster-key", "--drop-old")
    assert store.stop() == 0
    disks = digests_of_volumes(store)
    store.start()
    objects.read_all()
    kms(store, "rotate", "beta")
    objects.put("after", "DSSE")
    objects.read_all()
    unchanged = {path: digest for path, digest in digests_of_volumes(store).items() if path in disks}
    assert unchanged == disks


def test_the_metadata_may_not_be_used_without_the_right_keyring(store, objects, tmp_path):
    """Somebody runs it with the keyring of another store: nothing is changed, and it is told."""
    other = tmp_path / "other.key"
    other.write_text((store.data / "encryption.key").read_text().replace("key-1", "stranger"))
    where = ["--metadata", store.metadata, "--encryption-key-file", str(other)]
    for action in (["rewrap"], ["rotate-cluster-key"]):
        line = [sys.executable, "-m", "dolmen.cli", "kms", *action, *where]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("dolmen kms: ")
        assert "key-1" in done.stderr
    assert len(other.read_text().splitlines()) == 1
    objects.read_all()
