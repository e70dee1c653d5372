"""GetObjectAttributes: what is asked for, and the parts page by page."""

import pytest

ALL = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
PART_BYTES = 5 << 20


def test_an_object_in_one_piece(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", ChecksumAlgorithm="SHA256")["ETag"]
    answer = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=ALL)
    assert answer["ETag"] == etag.strip('"')
    assert answer["ObjectSize"] == 9
    assert answer["StorageClass"] == "STANDARD"
    assert answer["Checksum"] == {
        "ChecksumSHA256": "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
        "ChecksumType": "FULL_OBJECT",
    }
    assert "ObjectParts" not in answer
    assert answer["LastModified"] == s3.head_object(Bucket=bucket, Key="k")["LastModified"]


@pytest.mark.parametrize("name", ["ETag", "StorageClass", "ObjectSize", "Checksum"])
def test_only_what_is_asked_for(s3, bucket, name):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=[name])
    assert set(ALL) & answer.keys() == {name}


@pytest.fixture(scope="module")
def parted(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name)
    named = {"Bucket": name, "Key": "k"}
    upload = s3.create_multipart_upload(**named, ChecksumAlgorithm="CRC32")["UploadId"]
    parts = []
    for number in (1, 2, 3):
        part = s3.upload_part(**named, UploadId=upload, PartNumber=number, Body=b"%d" % number * PART_BYTES)
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    s3.complete_multipart_upload(**named, UploadId=upload, MultipartUpload={"Parts": parts})
    return named, parts


def test_parts(s3, parted):
    named, parts = parted
    answer = s3.get_object_attributes(**named, ObjectAttributes=ALL)
    assert answer["Checksum"]["ChecksumType"] == "COMPOSITE"
    assert answer["ETag"].endswith("-3")
    found = answer["ObjectParts"]
    assert (found["TotalPartsCount"], found["IsTruncated"], found["MaxParts"]) == (3, False, 1000)
    expected = [
        {"PartNumber": part["PartNumber"], "Size": PART_BYTES, "ChecksumCRC32": part["ChecksumCRC32"]} for part in parts
    ]
    assert found["Parts"] == expected


@pytest.mark.parametrize("size", [1, 2, 3])
def test_pages_of_parts(s3, parted, size):
    named, _ = parted
    found, marker = [], 0
    while True:
        page = s3.get_object_attributes(**named, ObjectAttributes=["ObjectParts"], MaxParts=size, PartNumberMarker=marker)[
            "ObjectParts"
        ]
        found += [part["PartNumber"] for part in page["Parts"]]
        assert page["PartNumberMarker"] == marker
        if not page["IsTruncated"]:
            break
        assert len(page["Parts"]) == size
        marker = page["NextPartNumberMarker"]
    assert found == [1, 2, 3]


@pytest.mark.parametrize("name", ["x-amz-max-parts", "x-amz-part-number-marker"])
@pytest.mark.parametrize("text", ["-1", "abc", "99999999999999999999"])
def test_bad_numbers(raw, parted, name, text):
    named, _ = parted
    headers = {"x-amz-object-attributes": "ObjectParts", name: text}
    answer = raw.request("GET", f"/{named['Bucket']}/k", "attributes", headers)
    assert answer.told == (400, "InvalidArgument")


@pytest.mark.parametrize("text", ["Etag", "ETag,Size"])
def test_unknown_attributes(raw, parted, text):
    named, _ = parted
    answer = raw.request("GET", f"/{named['Bucket']}/k", "attributes", {"x-amz-object-attributes": text})
    assert answer.told == (400, "InvalidArgument")


def test_without_attributes(raw, parted):
    named, _ = parted
    assert raw.request("GET", f"/{named['Bucket']}/k", "attributes").told == (400, "InvalidRequest")
    answer = raw.request("GET", f"/{named['Bucket']}/k", "attributes", {"x-amz-object-attributes": ","})
    assert answer.told == (400, "InvalidRequest")


def test_versions_and_markers(s3, versioned, refused):
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"longer")
    answer = s3.get_object_attributes(Bucket=versioned, Key="k", VersionId=first, ObjectAttributes=["ObjectSize"])
    assert (answer["ObjectSize"], answer["VersionId"]) == (1, first)
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    named = {"Bucket": versioned, "Key": "k", "ObjectAttributes": ["ETag"]}
    refused("NoSuchKey", 404, s3.get_object_attributes, **named)
    refused("MethodNotAllowed", 405, s3.get_object_attributes, **named, VersionId=marker)
