"""What a first user does, at size: a 5 GiB file, 10,000 small objects, 100,000 keys, and no process above 300 MiB."""

import hashlib
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dev_server import REGION, ROOT, DevServer
from process_tree import command_of, descendants, peak_rss_bytes

pytestmark = pytest.mark.campaign
GIB = 1 << 30
RSS_BYTES_MAX = 300 << 20
FILE_BYTES = int(os.environ.get("DOLMEN_FILE_BYTES", str(5 * GIB)))
KEYS = 100_000
THREADS = 16
BUCKET = "volume"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with DevServer(tmp_path_factory.mktemp("volume"), workers=2) as made:
        made.client().create_bucket(Bucket=BUCKET)
        yield made
        too_large = {
            command_of(pid): peak_rss_bytes(pid) >> 20
            for pid in descendants(made.pid)
            if peak_rss_bytes(pid) > RSS_BYTES_MAX
        }
        assert too_large == {}, "MiB of resident memory"
        shutil.rmtree(made.data, ignore_errors=True)


def digest(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_file_of_5_gib_up_and_down_with_the_aws_command(store, tmp_path, aws_command):
    source, copy = tmp_path / "source", tmp_path / "copy"
    piece = os.urandom(1 << 20)
    with source.open("wb") as file:
        for number in range(FILE_BYTES >> 20):
            file.write(number.to_bytes(8, "big") + piece[8:])
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": ROOT[0],
        "AWS_SECRET_ACCESS_KEY": ROOT[1],
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": store.endpoint,
    }
    for arguments in ((source, f"s3://{BUCKET}/large"), (f"s3://{BUCKET}/large", copy)):
        command = [aws_command, "s3", "cp", "--no-progress", *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert digest(source) == digest(copy)
    store.client().delete_object(Bucket=BUCKET, Key="large")


def test_ten_thousand_objects_of_10_kib(store):
    s3 = store.client()

    def body(number):
        return hashlib.sha256(str(number).encode()).digest() * 320

    def put(number):
        s3.put_object(Bucket=BUCKET, Key=f"small/{number:05}", Body=body(number))

    def holds(number):
        return s3.get_object(Bucket=BUCKET, Key=f"small/{number:05}")["Body"].read() == body(number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(10_000)))
        assert all(pool.map(holds, range(10_000)))


def test_a_deleted_object_is_restored_from_its_versions(store):
    s3 = store.client()
    s3.create_bucket(Bucket="versions")
    s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    bodies = [os.urandom(3 << 20) for _ in range(3)]
    for content in bodies:
        s3.put_object(Bucket="versions", Key="k", Body=content)
    s3.delete_object(Bucket="versions", Key="k")
    found = s3.list_object_versions(Bucket="versions")
    assert [marker["IsLatest"] for marker in found["DeleteMarkers"]] == [True]
    s3.delete_object(Bucket="versions", Key="k", VersionId=found["DeleteMarkers"][0]["VersionId"])
    assert s3.get_object(Bucket="versions", Key="k")["Body"].read() == bodies[-1]
    for version, content in zip(found["Versions"], reversed(bodies), strict=True):
        body = s3.get_object(Bucket="versions", Key="k", VersionId=version["VersionId"])["Body"].read()
        assert body == content


def test_a_hundred_thousand_keys_are_listed_with_prefix_and_delimiter(store):
    s3 = store.client()
    s3.create_bucket(Bucket="keys")
    names = [f"{number % 10}/{number // 10 % 100:02}/{number:06}" for number in range(KEYS)]

    def put(chunk):
        for name in chunk:
            s3.put_object(Bucket="keys", Key=name, Body=b"")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, _batches(names, 500)))

    def listed(**options):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="keys", **options)
        keys, prefixes = [], []
        for page in pages:
            keys += [entry["Key"] for entry in page.get("Contents", [])]
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        return keys, prefixes

    assert listed() == (sorted(names), [])
    assert listed(Delimiter="/") == ([], [f"{number}/" for number in range(10)])
    assert listed(Prefix="3/", Delimiter="/") == ([], [f"3/{number:02}/" for number in range(100)])
    expected = sorted(name for name in names if name.startswith("7/42/"))
    assert listed(Prefix="7/42/", Delimiter="/") == (expected, [])


def _batches(names, size):
    return [names[at : at + size] for at in range(0, len(names), size)]
