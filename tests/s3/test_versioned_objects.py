"""Versions of an object: ids, delete markers, the null version, suspension, restore."""

import pytest


def enable(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def suspend(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def body(s3, bucket, version=None):
    more = {} if version is None else {"VersionId": version}
    return s3.get_object(Bucket=bucket, Key="k", **more)["Body"].read()


def rows(s3, bucket):
    """(version id, kind, is latest), as listed."""
    answer = s3.list_object_versions(Bucket=bucket)
    found = [(row["LastModified"], row["VersionId"], "object", row["IsLatest"]) for row in answer.get("Versions", [])]
    found += [(row["LastModified"], row["VersionId"], "marker", row["IsLatest"]) for row in answer.get("DeleteMarkers", [])]
    return {row[1:] for row in found}


def test_every_put_is_a_version(s3, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"%d" % number)["VersionId"] for number in range(4)]
    assert len(set(ids)) == 4
    assert "null" not in ids
    for number, version in enumerate(ids):
        answer = s3.get_object(Bucket=versioned, Key="k", VersionId=version)
        assert answer["Body"].read() == b"%d" % number
        assert answer["VersionId"] == version
        assert s3.head_object(Bucket=versioned, Key="k", VersionId=version)["VersionId"] == version
    assert body(s3, versioned) == b"3"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 1
    assert rows(s3, versioned) == {(version, "object", version == ids[-1]) for version in ids}


def test_a_delete_leaves_a_marker(s3, versioned, raw, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert deleted["DeleteMarker"] is True
    marker = deleted["VersionId"]
    assert "Contents" not in s3.list_objects_v2(Bucket=versioned)
    answer = raw.request("GET", f"/{versioned}/k")
    assert answer.told == (404, "NoSuchKey")
    assert (answer.headers["x-amz-delete-marker"], answer.headers["x-amz-version-id"]) == ("true", marker)
    head = raw.request("HEAD", f"/{versioned}/k")
    assert (head.status, head.headers["x-amz-delete-marker"]) == (404, "true")
    assert body(s3, versioned, version) == b"x"
    assert rows(s3, versioned) == {(version, "object", False), (marker, "marker", True)}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_marker_is_not_to_be_read(s3, raw, versioned, method):
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    answer = raw.request(method, f"/{versioned}/k", [("versionId", marker)])
    assert answer.status == 405
    assert answer.headers["allow"] == "DELETE"
    assert answer.headers["x-amz-delete-marker"] == "true"
    assert answer.headers["last-modified"]
    assert method == "HEAD" or answer.code == "MethodNotAllowed"


def test_restore_by_deleting_the_marker(s3, versioned):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    deleted = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, marker)
    assert body(s3, versioned) == b"x"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 1


def test_restore_by_copying_an_old_version(s3, versioned):
    old = s3.put_object(Bucket=versioned, Key="k", Body=b"old", Metadata={"a": "b"})["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"new")
    s3.delete_object(Bucket=versioned, Key="k")
    copied = s3.copy_object(Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": old})
    assert copied["CopySourceVersionId"] == old
    assert copied["VersionId"] != old
    answer = s3.get_object(Bucket=versioned, Key="k")
    assert (answer["Body"].read(), answer["Metadata"], answer["VersionId"]) == (b"old", {"a": "b"}, copied["VersionId"])


def test_delete_one_version_for_good(s3, versioned, refused):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"%d" % number)["VersionId"] for number in range(3)]
    deleted = s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[2])
    assert deleted["VersionId"] == ids[2]
    assert "DeleteMarker" not in deleted
    assert body(s3, versioned) == b"1"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[0])
    assert body(s3, versioned) == b"1"
    refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="k", VersionId=ids[0])
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[1])
    refused("NoSuchKey", 404, s3.get_object, Bucket=versioned, Key="k")
    assert rows(s3, versioned) == set()
    # Once more changes nothing, and is no error.
    assert s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[1])["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_markers_pile_up(s3, versioned):
    markers = [s3.delete_object(Bucket=versioned, Key="k")["VersionId"] for _ in range(3)]
    assert rows(s3, versioned) == {(marker, "marker", marker == markers[-1]) for marker in markers}


def test_what_was_there_before_is_the_null_version(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    assert "VersionId" not in s3.get_object(Bucket=bucket, Key="k")
    assert body(s3, bucket, "null") == b"before"
    enable(s3, bucket)
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"after")["VersionId"]
    assert body(s3, bucket, "null") == b"before"
    assert rows(s3, bucket) == {("null", "object", False), (version, "object", True)}
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    assert body(s3, bucket) == b"before"
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert rows(s3, bucket) == set()


def test_suspension(s3, versioned):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"v")["VersionId"]
    suspend(s3, versioned)
    assert s3.put_object(Bucket=versioned, Key="k", Body=b"null 1")["VersionId"] == "null"
    assert s3.put_object(Bucket=versioned, Key="k", Body=b"null 2")["VersionId"] == "null"
    assert rows(s3, versioned) == {("null", "object", True), (version, "object", False)}
    assert body(s3, versioned) == b"null 2"
    assert body(s3, versioned, version) == b"v"
    # A delete replaces the null version by a null marker.
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    assert (deleted["VersionId"], deleted["DeleteMarker"]) == ("null", True)
    assert rows(s3, versioned) == {("null", "marker", True), (version, "object", False)}
    # A put replaces the null marker.
    s3.put_object(Bucket=versioned, Key="k", Body=b"null 3")
    assert rows(s3, versioned) == {("null", "object", True), (version, "object", False)}
    enable(s3, versioned)
    newest = s3.put_object(Bucket=versioned, Key="k", Body=b"w")["VersionId"]
    assert rows(s3, versioned) == {(newest, "object", True), ("null", "object", False), (version, "object", False)}
    assert body(s3, versioned, "null") == b"null 3"
    s3.delete_object(Bucket=versioned, Key="k", VersionId="null")
    assert rows(s3, versioned) == {(newest, "object", True), (version, "object", False)}


def test_a_null_version_written_later_is_the_latest(s3, versioned):
    """Null is a name, not an age."""
    suspend(s3, versioned)
    s3.put_object(Bucket=versioned, Key="k", Body=b"null")
    enable(s3, versioned)
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"v")["VersionId"]
    suspend(s3, versioned)
    s3.put_object(Bucket=versioned, Key="k", Body=b"null again")
    assert body(s3, versioned) == b"null again"
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [row["VersionId"] for row in listed] == ["null", version]


def test_version_headers_of_each_state(s3, raw, bucket):
    assert "x-amz-version-id" not in raw.request("PUT", f"/{bucket}/k", body=b"x").headers
    assert "x-amz-version-id" not in raw.request("GET", f"/{bucket}/k").headers
    assert "x-amz-version-id" not in raw.request("DELETE", f"/{bucket}/k").headers
    enable(s3, bucket)
    assert raw.request("PUT", f"/{bucket}/k", body=b"x").headers["x-amz-version-id"]
    suspend(s3, bucket)
    for method in ("PUT", "GET", "HEAD", "DELETE"):
        assert raw.request(method, f"/{bucket}/k").headers["x-amz-version-id"] == "null"


@pytest.mark.parametrize("version", ["", "x", "0" * 24, "ABC\r\nx-forged: yes", "Null", "ä"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_no_version_id(s3, raw, versioned, method, version):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    answer = raw.request(method, f"/{versioned}/k", [("versionId", version)])
    assert answer.status == 400
    assert "x-forged" not in answer.headers
    assert method == "HEAD" or answer.code == "InvalidArgument"
    assert body(s3, versioned) == b"x"


def test_a_version_that_is_not_there(s3, versioned, refused):
    gone = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=gone)
    error = refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="k", VersionId=gone)
    assert (error["Key"], error["VersionId"]) == ("k", gone)
    refused("404", 404, s3.head_object, Bucket=versioned, Key="k", VersionId="null")
    # A version of one key is none of another.
    other = s3.put_object(Bucket=versioned, Key="other", Body=b"x")["VersionId"]
    refused("NoSuchVersion", 404, s3.get_object, Bucket=versioned, Key="k", VersionId=other)


def test_multipart_uploads_make_versions(s3, versioned):
    ids = []
    for number in range(2):
        upload = s3.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]
        part = s3.upload_part(Bucket=versioned, Key="k", UploadId=upload, PartNumber=1, Body=b"%d" % number)
        parts = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
        answer = s3.complete_multipart_upload(Bucket=versioned, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})
        ids.append(answer["VersionId"])
    assert [body(s3, versioned, version) for version in ids] == [b"0", b"1"]
