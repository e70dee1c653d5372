"""s3fs (fsspec over aiobotocore) with default settings. Usage: with_s3fs.py STEP ENDPOINT BUCKET DIRECTORY."""

import pathlib
import random
import sys
import urllib.request

import s3fs

NAMES = ["plain", "with space", "plus+sign", "percent%20literal", "and&equals=;@,", "ünïcode-€-日本-😀", "empty", "deep/er/one"]
BIG = random.Random(3).randbytes(60 * 1024 * 1024)  # above its default block of 50 MiB, so that it goes by parts


def objects(fs, bucket, work):
    fs.mkdir(bucket)
    assert bucket in [name.rstrip("/") for name in fs.ls("")]
    bodies = {f"{bucket}/{name}": b"" if name == "empty" else name.encode() * 9 for name in NAMES}
    for path, body in bodies.items():
        fs.pipe_file(path, body)
    fs.invalidate_cache()
    assert {path: fs.cat_file(path) for path in bodies} == bodies
    assert fs.find(bucket) == sorted(bodies)
    assert sorted(fs.ls(bucket)) == sorted({f"{bucket}/{name.split('/')[0]}" for name in NAMES})
    assert fs.isdir(f"{bucket}/deep")
    assert fs.info(f"{bucket}/with space")["size"] == 90
    assert fs.cat_file(f"{bucket}/plain", start=5, end=8) == b"pla"
    assert fs.cat_file(f"{bucket}/plain", start=-5) == b"plain"
    assert not fs.exists(f"{bucket}/missing")
    fs.setxattr(f"{bucket}/plain", owner_name="me")
    assert fs.getxattr(f"{bucket}/plain", "owner_name") == "me"
    fs.copy(f"{bucket}/plus+sign", f"{bucket}/a copy")
    fs.mv(f"{bucket}/with space", f"{bucket}/moved")
    fs.invalidate_cache()
    assert fs.cat_file(f"{bucket}/a copy") == bodies[f"{bucket}/plus+sign"]
    assert (fs.cat_file(f"{bucket}/moved"), fs.exists(f"{bucket}/with space")) == (bodies[f"{bucket}/with space"], False)
    fs.rm(bucket, recursive=True)
    fs.invalidate_cache()
    assert not fs.exists(bucket)


def transfers(fs, bucket, work):
    fs.mkdir(bucket)
    source, target = work / "source", work / "target"
    source.write_bytes(BIG)
    fs.put(str(source), f"{bucket}/put")
    fs.get(f"{bucket}/put", str(target))
    assert target.read_bytes() == BIG
    with fs.open(f"{bucket}/written", "wb") as file:
        for at in range(0, len(BIG), 1 << 20):
            file.write(BIG[at : at + (1 << 20)])
    assert fs.info(f"{bucket}/written")["ETag"].strip('"').endswith("-2")
    with fs.open(f"{bucket}/written", "rb") as file:
        file.seek(-1000, 2)
        assert file.read() == BIG[-1000:]
    fs.pipe(f"{bucket}/piped", BIG[: 6 << 20])
    assert fs.cat(f"{bucket}/piped") == BIG[: 6 << 20]
    with fs.open(f"{bucket}/text", "ab") as file:
        file.write(b"one")
    with fs.open(f"{bucket}/text", "ab") as file:
        file.write(b"two")
    assert fs.cat(f"{bucket}/text") == b"onetwo"


def versions(fs, bucket, work):
    fs.mkdir(bucket)
    fs.make_bucket_versioned(bucket, True)
    assert fs.is_bucket_versioned(bucket)
    aware = s3fs.S3FileSystem(endpoint_url=fs.endpoint_url, version_aware=True)
    for body in (b"one", b"two"):
        aware.pipe_file(f"{bucket}/k", body)
    found = aware.object_version_info(f"{bucket}/k")
    assert [version["IsLatest"] for version in found] == [True, False]
    assert aware.cat_file(f"{bucket}/k", version_id=found[1]["VersionId"]) == b"one"
    assert aware.cat_file(f"{bucket}/k") == b"two"


def presigned(fs, bucket, work):
    use_presigned(s3fs.S3FileSystem(endpoint_url=fs.endpoint_url, config_kwargs={"signature_version": "s3v4"}), bucket)


def presigned_by_default(fs, bucket, work):
    """botocore still signs URLs of us-east-1 with version 2."""
    use_presigned(fs, bucket)


def use_presigned(fs, bucket):
    fs.mkdir(bucket)
    fs.pipe_file(f"{bucket}/odd +é€/x", b"presigned")
    with urllib.request.urlopen(fs.sign(f"{bucket}/odd +é€/x", expiration=300)) as answer:
        assert answer.read() == b"presigned"


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    globals()[step](s3fs.S3FileSystem(endpoint_url=endpoint), bucket, pathlib.Path(directory))
