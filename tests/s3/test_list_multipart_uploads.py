"""ListMultipartUploads: by key, then by time; prefixes, delimiters, markers, pages of any size."""

import itertools

import pytest

KEYS = ["a", "a", "a", "a/1", "a/2", "a/b/1", "b", "c/1", "c/1", "d"]


@pytest.fixture(scope="module")
def begun(s3, new_name):
    """(bucket, [(key, upload id)] in the order of a list)."""
    name = new_name()
    s3.create_bucket(Bucket=name)
    made = [(key, s3.create_multipart_upload(Bucket=name, Key=key)["UploadId"]) for key in KEYS[::2] + KEYS[1::2]]
    return name, sorted(made, key=lambda row: row[0])  # stable: within a key by time


def walk(s3, name, size, **more):
    found, prefixes, markers = [], [], {}
    for _ in range(100):
        answer = s3.list_multipart_uploads(Bucket=name, MaxUploads=size, **more, **markers)
        page = [(upload["Key"], upload["UploadId"]) for upload in answer.get("Uploads", [])]
        common = [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]
        assert len(page) + len(common) <= size
        found += page
        prefixes += common
        if not answer["IsTruncated"]:
            return found, prefixes
        assert len(page) + len(common) == size
        markers = {"KeyMarker": answer["NextKeyMarker"]}
        if answer.get("NextUploadIdMarker"):
            markers["UploadIdMarker"] = answer["NextUploadIdMarker"]
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 1000])
def test_pages(s3, begun, size):
    name, uploads = begun
    assert walk(s3, name, size) == (uploads, [])


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "c/", "none"])
def test_prefix_and_delimiter(s3, begun, size, prefix):
    name, uploads = begun
    expected = [row for row in uploads if row[0].startswith(prefix) and "/" not in row[0][len(prefix) :]]
    common = [
        prefix + row[0][len(prefix) :].partition("/")[0] + "/"
        for row in uploads
        if row[0].startswith(prefix) and "/" in row[0][len(prefix) :]
    ]
    assert walk(s3, name, size, Prefix=prefix, Delimiter="/") == (expected, [key for key, _ in itertools.groupby(common)])


def test_what_is_told(s3, begun):
    name, _ = begun
    answer = s3.list_multipart_uploads(Bucket=name)
    assert (answer["Bucket"], answer["KeyMarker"], answer["UploadIdMarker"]) == (name, "", "")
    assert (answer["MaxUploads"], answer["IsTruncated"]) == (1000, False)
    for upload in answer["Uploads"]:
        assert upload["StorageClass"] == "STANDARD"
        assert upload["Owner"]["ID"] == upload["Initiator"]["ID"]
        assert upload["Initiated"]


def test_markers(s3, begun):
    name, uploads = begun
    answer = s3.list_multipart_uploads(Bucket=name, KeyMarker="a/2")
    assert [upload["Key"] for upload in answer["Uploads"]] == ["a/b/1", "b", "c/1", "c/1", "d"]
    second = [row for row in uploads if row[0] == "a"][1][1]
    answer = s3.list_multipart_uploads(Bucket=name, KeyMarker="a", UploadIdMarker=second)
    assert [(upload["Key"], upload["UploadId"]) for upload in answer["Uploads"]] == uploads[2:]
    # Without a key-marker an upload-id-marker means nothing.
    answer = s3.list_multipart_uploads(Bucket=name, UploadIdMarker=second)
    assert len(answer["Uploads"]) == len(uploads)


def test_encoding(raw, bucket):
    assert raw.request("POST", f"/{bucket}/a%20b%2B%01", "uploads").status == 200  # boto3 cannot read the key in the answer
    body = raw.request("GET", f"/{bucket}", "uploads&encoding-type=url").body
    assert b"<Key>a%20b%2B%01</Key>" in body


@pytest.mark.parametrize("query", ["max-uploads=abc", "max-uploads=-1", "encoding-type=x"])
def test_bad_parameters(raw, bucket, query):
    assert raw.request("GET", f"/{bucket}", f"uploads&{query}").told == (400, "InvalidArgument")


def test_none(s3, bucket):
    answer = s3.list_multipart_uploads(Bucket=bucket)
    assert "Uploads" not in answer
    assert answer["IsTruncated"] is False
