"""What is encrypted leaves no plaintext and no key in any file of a store; rotations change sealed keys and nothing else."""

import base64
import hashlib
import os

import msgspec
import pytest
from dev_server import DevServer
from encryption_kinds import ENCRYPTED, KINDS, shown

from dolmen.core.clock import SystemClock
from dolmen.gateway.kms.keyring import KeyringFile, read_keyring, rotated
from dolmen.gateway.kms.local import KIND, SPACE, KeyRecord, LocalKeys
from dolmen.gateway.kms.rewrap import rewrap_bucket
from dolmen.gateway.kms.sealed_keys import open_customer, open_sealing
from dolmen.gateway.metadata.embedded.store import EmbeddedStore

BUCKET = "sealed"
PART = 5 << 20


class Marked:
    """Bodies full of 32 random bytes: if any of it lies on a disk, whole marks do."""

    def __init__(self):
        self.mark = os.urandom(32)

    def body(self, size):
        return (self.mark * (size // 32 + 1))[:size]


def files_with(directory, needles, *, but=()):
    """{file: names of the needles in it}."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name not in but:
            raw = path.read_bytes()
            names = [name for name, needle in needles.items() if needle in raw]
            if names:
                found[str(path.relative_to(directory))] = names
    return found


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    """(server, marks, {key: (kind, data)}): a store with objects of every kind, running."""
    plain, secret = Marked(), Marked()
    with DevServer(tmp_path_factory.mktemp("sealed"), workers=2, environment={"DOLMEN_KMS_KEYS": "alpha,beta"}) as server:
        s3 = server.client()
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key="plain", Body=plain.body(100_000))
        made = {}
        for kind in ENCRYPTED:
            how = KINDS[kind]
            for size in (1000, 100_000, 3_000_001):
                made[f"{kind}/{size}"] = kind, secret.body(size)
                s3.put_object(Bucket=BUCKET, Key=f"{kind}/{size}", Body=secret.body(size), **how.write)
            name = {"Bucket": BUCKET, "Key": f"{kind}/parts"}
            name["UploadId"] = s3.create_multipart_upload(**name, **how.write)["UploadId"]
            bodies = [secret.body(PART), secret.body(70_000)]
            etags = [s3.upload_part(**name, PartNumber=n, Body=body, **how.read)["ETag"] for n, body in enumerate(bodies, 1)]
            parts = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
            s3.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
            made[f"{kind}/parts"] = kind, b"".join(bodies)
            for target in ENCRYPTED:
                source = {"Bucket": BUCKET, "Key": f"{kind}/100000"}
                s3.copy_object(Bucket=BUCKET, Key=f"{kind}/{target}", CopySource=source, **KINDS[target].write, **how.source)
                made[f"{kind}/{target}"] = target, secret.body(100_000)
        yield server, plain, secret, made


def all_reads(server, made):
    s3 = server.client()
    for key, (kind, data) in made.items():
        found = s3.get_object(Bucket=BUCKET, Key=key, **KINDS[kind].read)
        assert hashlib.sha256(found["Body"].read()).digest() == hashlib.sha256(data).digest(), key
        assert shown(found) == KINDS[kind].shown, key


class Inside:
    """The metadata and the keys of a store that is stopped."""

    def __init__(self, server):
        self.keyring_file = server.data / "encryption.key"
        self.store = EmbeddedStore(str(server.data / "metadata" / "metadata.sqlite"), SystemClock(), garbage_grace_seconds=900)

    async def __aenter__(self):
        await self.store.open()
        self.keys = LocalKeys(self.store, KeyringFile(self.keyring_file), SystemClock())
        self.bucket = await self.store.get_bucket(BUCKET)
        return self

    async def __aexit__(self, *_):
        await self.store.close()

    async def records(self):
        rows = await self.store.scan(self.bucket.bucket_id, b"", None, 1000)
        return {row.key.decode(): await self.store.get_version(self.bucket.bucket_id, row.key) for row in rows}

    async def secrets(self):
        """{name: bytes} of every key: of objects, of the key service, of the keyring, of the client."""
        found = {"the client's key": KINDS["SSE-C"].key, "the client's key, base64": base64.b64encode(KINDS["SSE-C"].key)}
        ring = read_keyring(self.keyring_file)
        for name, key in ring.keys.items():
            found[f"keyring {name}"] = key
            found[f"keyring {name}, base64"] = base64.b64encode(key)
        for document in await self.store.list_documents(SPACE, KIND, "", "", 100):
            for version in msgspec.msgpack.decode(document.raw, type=KeyRecord).versions:
                bound = f"dolmen/kms/{document.name}/{version.number}".encode()
                found[f"key {document.name} {version.number}"] = ring.unwrap(version.wrapped, bound)
        for key, record in (await self.records()).items():
            encryption = record.mutable.encryption
            if encryption is None:
                continue
            if encryption.algorithm == "SSE-C":
                keys = open_customer(KINDS["SSE-C"].key, self.bucket, encryption)
            else:
                keys = await open_sealing(self.keys, self.bucket, encryption)
            for number, layer in enumerate(keys.layers):
                found[f"data key {number} of {key}"] = layer
        return found


async def test_neither_plaintext_nor_keys_are_in_any_file(sealed):
    server, plain, secret, made = sealed
    all_reads(server, made)
    marks = {"plain": plain.mark, "secret": secret.mark}
    found = files_with(server.directory, marks)
    assert {name for names in found.values() for name in names} == {"plain"}, "the search finds what is not encrypted, only"
    assert server.stop() == 0
    async with Inside(server) as inside:
        secrets = await inside.secrets()
    assert len([name for name in secrets if name.startswith("data key")]) > 20
    assert len([name for name in secrets if name.startswith("key ")]) >= 3
    found = files_with(server.directory, {"secret": secret.mark, **secrets}, but=("encryption.key",))
    server.start()
    assert found == {}
    assert (server.data / "encryption.key").stat().st_mode & 0o077 == 0


def digest_of_disks(server):
    files = [path for path in sorted((server.data / "disks").rglob("volume-*")) if path.is_file()]
    assert files
    return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]


async def test_rotations_change_sealed_keys_only(sealed):
    server, _, _, made = sealed
    assert server.stop() == 0
    disks = digest_of_disks(server)
    async with Inside(server) as inside:
        before = await inside.records()
        for name in ("alpha", "beta", "dolmen/s3"):
            assert await inside.keys.rotate(name) == 2
        progress = await rewrap_bucket(inside.store, inside.keys, inside.bucket)
        after = await inside.records()
        inside.keyring_file.write_text(rotated(inside.keyring_file.read_text()))
        assert await inside.keys.rewrap() >= 6
        inside.keyring_file.write_text(inside.keyring_file.read_text().splitlines()[0] + "\n")
    assert digest_of_disks(server) == disks, "not a byte of data was written"
    touched = [key for key, record in after.items() if record != before[key]]
    expected = [key for key, (kind, _) in made.items() if kind != "SSE-C"]
    assert sorted(touched) == sorted(expected)
    assert progress.rewrapped == len(expected)
    for key in expected:
        old, new = before[key].mutable.encryption, after[key].mutable.encryption
        assert new.key_version == 2
        assert msgspec.structs.replace(new, sealed_key=b"", key_version=0) == msgspec.structs.replace(
            old, sealed_key=b"", key_version=0
        )
        assert msgspec.structs.replace(after[key], mutable=before[key].mutable) == before[key]
    server.start()
    all_reads(server, made)


async def test_without_the_keyring_nothing_is_read_and_nothing_is_lost(sealed):
    server, _, _, made = sealed
    keyring = server.data / "encryption.key"
    kept = keyring.read_text()
    assert server.stop() == 0
    keyring.write_text(rotated(kept).splitlines()[0] + "\n")  # another key: the old one is gone
    server.start()
    s3 = server.client()
    with pytest.raises(s3.exceptions.ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="SSE-KMS/1000")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert s3.get_object(Bucket=BUCKET, Key="SSE-C/1000", **KINDS["SSE-C"].read)["Body"].read()
    assert server.stop() == 0
    keyring.write_text(kept)
    server.start()
    all_reads(server, made)
