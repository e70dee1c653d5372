"""Range and partNumber of GetObject and HeadObject."""

import pytest

BODY = bytes(range(100))
PART_BYTES = 5 << 20


@pytest.fixture(scope="module")
def place(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=BODY)
    s3.put_object(Bucket=name, Key="empty", Body=b"")
    return name


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        *(("bytes=0-0", 0, 1), ("bytes=0-99", 0, 100), ("bytes=10-19", 10, 20), ("bytes=99-99", 99, 100)),
        *(("bytes=10-", 10, 100), ("bytes=0-", 0, 100), ("bytes=-1", 99, 100), ("bytes=-100", 0, 100)),
        *(("bytes=-1000", 0, 100), ("bytes=90-1000", 90, 100), ("BYTES=1-2", 1, 3), ("bytes=0-999999999999999999", 0, 100)),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_satisfiable(raw, place, method, text, start, end):
    answer = raw.request(method, f"/{place}/k", headers={"Range": text})
    assert answer.status == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/100"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.body == (BODY[start:end] if method == "GET" else b"")


@pytest.mark.parametrize(
    "text", ["bytes=0-1,3-4", "bytes=5-4", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "0-1", "bytes=1-2-3"]
)
def test_ignored(raw, place, text):
    answer = raw.request("GET", f"/{place}/k", headers={"Range": text})
    assert (answer.status, answer.body) == (200, BODY)
    assert "content-range" not in answer.headers


@pytest.mark.parametrize(
    ("key", "text"), [("k", "bytes=100-"), ("k", "bytes=100-200"), ("k", "bytes=-0"), ("empty", "bytes=0-"), ("empty", "bytes=-5")]
)
def test_unsatisfiable(raw, place, key, text):
    answer = raw.request("GET", f"/{place}/{key}", headers={"Range": text})
    assert answer.told == (416, "InvalidRange")
    size = "100" if key == "k" else "0"
    assert (answer.error["RangeRequested"], answer.error["ActualObjectSize"]) == (text, size)
    assert answer.headers["content-range"] == f"bytes */{size}"
    head = raw.request("HEAD", f"/{place}/{key}", headers={"Range": text})
    assert (head.status, head.body) == (416, b"")


def test_a_range_of_an_absent_object(raw, place):
    assert raw.request("GET", f"/{place}/none", headers={"Range": "bytes=0-1"}).told == (404, "NoSuchKey")


@pytest.fixture(scope="module")
def parted(s3, place):
    """An object of three parts; returns their bodies."""
    bodies = [b"a" * PART_BYTES, b"b" * (PART_BYTES + 1), b"c" * 10]
    upload = s3.create_multipart_upload(Bucket=place, Key="parted")["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(Bucket=place, Key="parted", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]})
    s3.complete_multipart_upload(Bucket=place, Key="parted", UploadId=upload, MultipartUpload={"Parts": parts})
    return bodies


def test_parts(s3, place, parted):
    whole, start = sum(map(len, parted)), 0
    for number, body in enumerate(parted, 1):
        answer = s3.get_object(Bucket=place, Key="parted", PartNumber=number)
        assert answer["Body"].read() == body
        head = s3.head_object(Bucket=place, Key="parted", PartNumber=number)
        for one in (answer, head):
            assert one["ResponseMetadata"]["HTTPStatusCode"] == 206
            assert one["PartsCount"] == len(parted)
            assert one["ContentLength"] == len(body)
            assert one["ContentRange"] == f"bytes {start}-{start + len(body) - 1}/{whole}"
        start += len(body)


def test_ranges_over_parts(s3, place, parted):
    whole = b"".join(parted)
    for edge in (PART_BYTES, 2 * PART_BYTES + 1):
        answer = s3.get_object(Bucket=place, Key="parted", Range=f"bytes={edge - 3}-{edge + 2}")
        assert answer["Body"].read() == whole[edge - 3 : edge + 3]
        assert "PartsCount" not in answer
    assert s3.get_object(Bucket=place, Key="parted", Range="bytes=-12")["Body"].read() == whole[-12:]


def test_a_part_that_is_not_there(raw, place, parted):
    answer = raw.request("GET", f"/{place}/parted", "partNumber=4")
    assert answer.told == (416, "InvalidPartNumber")
    assert (answer.error["ActualPartCount"], answer.error["PartNumberRequested"]) == ("3", "4")


def test_an_object_in_one_piece_is_its_first_part(s3, raw, place):
    answer = s3.get_object(Bucket=place, Key="k", PartNumber=1)
    assert answer["Body"].read() == BODY
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert "PartsCount" not in answer
    assert raw.request("GET", f"/{place}/k", "partNumber=2").told == (416, "InvalidPartNumber")
    assert s3.get_object(Bucket=place, Key="empty", PartNumber=1)["Body"].read() == b""


@pytest.mark.parametrize("number", ["0", "-1", "10001", "abc", ""])
def test_numbers_that_are_none(raw, place, number):
    assert raw.request("GET", f"/{place}/k", f"partNumber={number}").told == (400, "InvalidArgument")


def test_range_and_part_exclude_each_other(raw, place):
    answer = raw.request("GET", f"/{place}/k", "partNumber=1", headers={"Range": "bytes=0-1"})
    assert answer.told == (400, "InvalidRequest")
