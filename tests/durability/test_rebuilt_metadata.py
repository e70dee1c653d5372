"""The metadata is lost, the disks are there: rows are made again, exactly but for what is documented, and S3 answers as before.

What cannot come back is in docs/operations/rebuild.md; each of its points is asserted here.
"""

import asyncio
import json
import random
import subprocess
import sys

import msgspec
import pytest
from dev_server import DevServer
from encryption_kinds import customer
from multipart_uploads import PART_BYTES, complete, create, upload

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.embedded.transfer import EmbeddedTransfer
from dolmen.gateway.metadata.transfer import ItemKind, Position, kind_of, walk

STRIPE = 2 << 20
NARROW = 128 * 1024
SIZES = [1, 4096, NARROW - 1, NARROW, NARROW + 1, STRIPE - 1, STRIPE, STRIPE + 1, 2 * STRIPE, 3 * STRIPE + 5]
LONG_KEY = "long/" + "k" * 900
CUSTOMER_KEY = bytes(range(32))
METADATA = "metadata/metadata.sqlite"
COMMIT_FIELDS = ("seq", "version_id", "mtime_us")  # known at the commit only


def rebuild(server, *options, metadata=METADATA):
    """(exit code, differences, summary) of one run of the command."""
    sockets = [path for path in sorted((server.data / "run").glob("datanode-*.sock")) if "admin" not in path.name]
    state = json.loads((server.data / "dolmen.json").read_text())
    command = [sys.executable, "-m", "dolmen.gateway.maintenance.rebuild", "--metadata", f"embedded:{metadata}", "--output", "json"]
    command += ["--cluster-id", state["cluster_id"], "--cluster-key-file", "cluster.key", "--encryption-key-file", "encryption.key"]
    command += [word for path in sockets for word in ("--datanode", f"unix:run/{path.name}")]
    done = subprocess.run([*command, *options], cwd=server.data, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["type"] for line in lines].count("summary") == 1, done.stdout + done.stderr
    return done.returncode, [line for line in lines if line["type"] == "difference"], lines[-1]


def items_of(path, *kinds):
    """Everything of these kinds that a metadata file holds."""

    async def read():
        store = EmbeddedTransfer(str(path), SystemClock(), garbage_grace_seconds=900)
        await store.open()
        try:
            return [item async for _, items, _ in walk(store, Position(min(kinds)), kinds) for item in items]
        finally:
            await store.close()

    return asyncio.run(read())


def carry_over(source, target, *kinds):
    """What a backup of the small documents would bring back: accounts and the keys of encryption."""
    items = items_of(source, *kinds)

    async def write():
        store = EmbeddedTransfer(str(target), SystemClock(), garbage_grace_seconds=900)
        await store.open()
        for kind in kinds:
            await store.load([item for item in items if kind_of(item) is kind])
        await store.close()

    asyncio.run(write())


class Filled:
    """A store with a bit of everything, and how to read what must come back the same."""

    def __init__(self, server):
        self.server = server
        self.rng = random.Random(5)
        self.s3 = server.client()
        self.reads = {}  # name: arguments of GetObject
        for bucket in ("plain", "versioned", "locked"):
            self.s3.create_bucket(Bucket=bucket, **({"ObjectLockEnabledForBucket": True} if bucket == "locked" else {}))
        self.s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
        self.objects()
        self.encrypted()
        self.versions()
        self.uploads()

    def put(self, key, size, bucket="plain", read=None, **more):
        answer = self.s3.put_object(Bucket=bucket, Key=key, Body=self.rng.randbytes(size), **more)
        self.reads[f"{bucket}/{key}"] = {"Bucket": bucket, "Key": key, **(read or {})}
        return answer

    def objects(self):
        for size in SIZES:
            self.put(f"size/{size}", size)
        more = {"ContentType": "text/x", "CacheControl": "no-store", "Metadata": {"one": "1", "two": "zwei"}, "Tagging": "a=1&b=2"}
        self.put("described", 1000, StorageClass="STANDARD_IA", ChecksumAlgorithm="SHA256", WebsiteRedirectLocation="/x", **more)
        self.put(LONG_KEY, 700, Metadata={"m" * 20: "v" * 1500})
        self.put("overwritten", 500)
        self.put("overwritten", STRIPE + 500)
        self.put("deleted", 600)
        self.s3.delete_object(Bucket="plain", Key="deleted")
        del self.reads["plain/deleted"]
        self.put("crc", 800, ChecksumAlgorithm="CRC32C")
        self.s3.copy_object(Bucket="plain", Key="copied", CopySource="plain/described", TaggingDirective="COPY")
        self.reads["plain/copied"] = {"Bucket": "plain", "Key": "copied"}
        self.s3.put_object(Bucket="plain", Key="empty", Body=b"")
        self.put("locked", 900, bucket="locked", ObjectLockLegalHoldStatus="ON")
        self.put("old-name", 950)
        self.s3.rename_object(Bucket="plain", Key="new-name", RenameSource="old-name")
        self.reads["plain/old-name"]["Key"] = "new-name"
        self.put("retagged", 960, Tagging="a=1")
        self.s3.put_object_tagging(Bucket="plain", Key="retagged", Tagging={"TagSet": [{"Key": "b", "Value": "2"}]})

    def encrypted(self):
        for name, more in (("s3", {"ServerSideEncryption": "AES256"}), ("dual", {"ServerSideEncryption": "aws:kms:dsse"})):
            self.put(f"sealed/{name}", 300_000, **more)
        self.put("sealed/kms", STRIPE + 9, ServerSideEncryption="aws:kms", BucketKeyEnabled=True)
        self.put("sealed/customer", 200_000, read=customer(CUSTOMER_KEY), **customer(CUSTOMER_KEY))

    def versions(self):
        for size in (10, 20, 30):
            self.put("v", size, bucket="versioned")
        self.put("hidden", 40, bucket="versioned")
        self.s3.delete_object(Bucket="versioned", Key="hidden")
        del self.reads["versioned/hidden"]

    def uploads(self):
        done = create(self.s3, "plain", "parts", ContentType="a/b", ChecksumAlgorithm="CRC32")
        parts = [
            upload(self.s3, "plain", done, number, self.rng.randbytes(size), "parts", ChecksumAlgorithm="CRC32")
            for number, size in ((1, PART_BYTES), (2, 77))
        ]
        complete(self.s3, "plain", done, parts, "parts")
        self.reads["plain/parts"] = {"Bucket": "plain", "Key": "parts"}
        sealed = create(self.s3, "plain", "sealed/parts", ServerSideEncryption="AES256")
        parts = [
            upload(self.s3, "plain", sealed, number, self.rng.randbytes(size), "sealed/parts")
            for number, size in ((1, PART_BYTES), (2, 70_000))
        ]
        complete(self.s3, "plain", sealed, parts, "sealed/parts")
        self.reads["plain/sealed/parts"] = {"Bucket": "plain", "Key": "sealed/parts"}
        self.open = create(self.s3, "plain", "open", Metadata={"u": "1"})
        upload(self.s3, "plain", self.open, 2, b"second", "open")

    def answers(self):
        """Status, headers and bytes of every object, without what is known at the commit only."""
        found = {}
        for name, arguments in self.reads.items():
            answer = self.s3.get_object(ChecksumMode="ENABLED", **arguments)
            headers = dict(answer["ResponseMetadata"]["HTTPHeaders"])
            for varying in ("date", "x-amz-request-id", "x-amz-id-2", "last-modified", "x-amz-version-id"):
                headers.pop(varying, None)
            if "SSECustomerKey" in arguments:
                headers.pop("etag")
                headers = {header: value for header, value in headers.items() if not header.startswith("x-amz-checksum-")}
            found[name] = (headers, answer["Body"].read())
        return found


@pytest.fixture
def filled(tmp_path):
    with DevServer(tmp_path) as server:
        yield Filled(server)


def by_place(items):
    """Versions by bucket and key, oldest first."""
    found = {}
    for item in sorted(items, key=lambda item: item.record.seq):
        found.setdefault((item.bucket_id, item.record.key), []).append(item.record)
    return found


def told(differences):
    return {
        (one["kind"], one["what"], one["bucket"], one.get("key", "")): [field["field"] for field in one.get("fields", ())]
        for one in differences
    }


def test_rows_come_back_from_the_volumes_as_documented(filled, tmp_path):
    server = filled.server
    before = filled.answers()
    code, differences, summary = rebuild(server, "--read-data", "--verify")
    assert told(differences) == {
        ("rows only", "version", "plain", "empty"): [],
        ("rows only", "delete marker", "versioned", "hidden"): [],
        ("different", "version", "plain", "new-name"): ["key"],
        ("different", "version", "plain", "retagged"): ["mutable.rev", "mutable.tags"],
    }, "everything else is equal, ETags and checksums too"
    assert (code, summary["garbage"], summary["troubles"], summary["unheard"]) == (1, 2, 0, 0)

    old, new = server.data / METADATA, server.data / "metadata/new.sqlite"
    carry_over(old, new, ItemKind.SPACE, ItemKind.DOCUMENT)
    code, differences, summary = rebuild(server, "--write", "--complete-uploads", metadata="metadata/new.sqlite")
    refused = [one for one in differences if not one.get("taken")]
    assert [(one["key"], one["reason"]) for one in refused] == [("overwritten", "a newer write took its place")]
    same(old, new)

    server.stop()
    aside = tmp_path / "aside"
    aside.mkdir()
    for path in list(old.parent.glob("metadata.sqlite*")):
        path.rename(aside / path.name)
    for path in list(old.parent.glob("new.sqlite*")):
        path.rename(path.with_name(path.name.replace("new", "metadata")))
    server.start()
    filled.s3 = server.client()
    filled.reads["plain/old-name"]["Key"] = "old-name"
    assert filled.answers() == before
    answers_of_the_rest(filled)


def same(old, new):
    """The new rows beside the old ones, but for what the page on rebuilds says."""
    assert items_of(old, ItemKind.MAP) == items_of(new, ItemKind.MAP)
    assert items_of(old, ItemKind.BUCKET) == [
        msgspec.structs.replace(item, bucket=msgspec.structs.replace(item.bucket, rev=rev))
        for item, rev in zip(
            items_of(new, ItemKind.BUCKET), [item.bucket.rev for item in items_of(old, ItemKind.BUCKET)], strict=True
        )
    ]
    wanted, found = by_place(items_of(old, ItemKind.VERSION)), by_place(items_of(new, ItemKind.VERSION))
    gone = []
    bucket_id = next(iter(place[0] for place in wanted if place[1] == b"new-name"))
    assert (bucket_id, b"new-name") not in found
    found[bucket_id, b"new-name"] = [msgspec.structs.replace(one, key=b"new-name") for one in found.pop((bucket_id, b"old-name"))]
    for place, versions in wanted.items():
        kept = [record for record in versions if record.layout.segments]
        gone += [record.key for record in versions if not record.layout.segments]
        rebuilt = found.pop(place, [])
        for one, other in zip(kept, rebuilt, strict=True):
            like = {name: getattr(one, name) for name in COMMIT_FIELDS}
            if one.mutable.encryption is not None and one.mutable.encryption.algorithm == "SSE-C":
                assert other.attributes.checksum is None
                assert len(other.etag) == 32
                like |= {"etag": one.etag, "attributes": one.attributes}
            if one.key == b"retagged":
                assert other.mutable.tags == {"a": "1"}, "as it was written"
                like |= {"mutable": one.mutable}
            assert msgspec.structs.replace(other, **like) == one
            assert (other.version_id == "null") == (one.version_id == "null")
            assert other.mtime_us <= one.mtime_us, "the beginning of its last run, not its commit"
    back = [place[1] for place in found]
    assert sorted(gone) == [b"empty", b"hidden"]
    assert back == [b"deleted"], "its garbage was not collected yet, and the note was in the metadata"
    assert [item.upload for item in items_of(new, ItemKind.UPLOAD)] == [
        item.upload for item in items_of(old, ItemKind.UPLOAD) if item.upload.completed is None
    ]
    parts = [[msgspec.structs.replace(item.part, mtime_us=0) for item in items_of(path, ItemKind.PART)] for path in (old, new)]
    assert parts[0] == parts[1]


def answers_of_the_rest(filled):
    """What is not a read of an object by its name."""
    s3 = filled.s3
    tags = s3.get_object_tagging(Bucket="plain", Key="described")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "1", "b": "2"}
    assert s3.get_object_legal_hold(Bucket="locked", Key="locked")["LegalHold"]["Status"] == "ON"
    versions = s3.list_object_versions(Bucket="versioned")["Versions"]
    assert [(one["Key"], one["Size"], one["IsLatest"]) for one in versions] == [
        ("hidden", 40, True),  # its delete marker is lost
        ("v", 30, True),
        ("v", 20, False),
        ("v", 10, False),
    ]
    listed = {one["Key"] for one in s3.list_objects_v2(Bucket="plain")["Contents"]}
    wanted = {key.partition("/")[2] for key in filled.reads if key.startswith("plain/")}
    assert listed == wanted | {"deleted"}
    assert "new-name" not in listed
    assert s3.get_object(Bucket="plain", Key="parts", PartNumber=2)["ContentLength"] == 77
    parts = s3.list_parts(Bucket="plain", Key="open", UploadId=filled.open)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(2, 6)]
    complete(s3, "plain", filled.open, [{"PartNumber": 2, "ETag": parts[0]["ETag"]}], "open")
    assert s3.get_object(Bucket="plain", Key="open")["Metadata"] == {"u": "1"}
