"""ListObjects, and what ListObjectsV2 has in common with it; what they list is tested against a model in test_list_model."""

import pytest

KEYS = ["a", "a+1/x", "a/1", "a/2", "b", "c d", "photos/2026/1", "photos/2026/2", "photos/x", "ä"]


@pytest.fixture(scope="module")
def place(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def keys(answer):
    return [entry["Key"] for entry in answer.get("Contents", [])]


def prefixes(answer):
    return [entry["Prefix"] for entry in answer.get("CommonPrefixes", [])]


def test_v1(s3, place):
    answer = s3.list_objects(Bucket=place)
    assert keys(answer) == KEYS
    assert (answer["Name"], answer["Marker"], answer["MaxKeys"], answer["IsTruncated"]) == (place, "", 1000, False)
    assert "NextMarker" not in answer
    assert all(entry["Owner"]["ID"] and entry["Owner"]["DisplayName"] == "root" for entry in answer["Contents"])


def test_delimiter(s3, place):
    for call in (s3.list_objects, s3.list_objects_v2):
        answer = call(Bucket=place, Delimiter="/")
        assert keys(answer) == ["a", "b", "c d", "ä"]
        assert prefixes(answer) == ["a+1/", "a/", "photos/"]
        assert answer["Delimiter"] == "/"
        answer = call(Bucket=place, Prefix="photos/", Delimiter="/")
        assert (keys(answer), prefixes(answer)) == (["photos/x"], ["photos/2026/"])
        answer = call(Bucket=place, Prefix="photos/2026/", Delimiter="/")
        assert (keys(answer), prefixes(answer)) == (["photos/2026/1", "photos/2026/2"], [])
        answer = call(Bucket=place, Prefix="photos", Delimiter="/")
        assert (keys(answer), prefixes(answer)) == ([], ["photos/"])
    assert s3.list_objects_v2(Bucket=place, Delimiter="/")["KeyCount"] == 7


@pytest.mark.parametrize("after", ["", "a", "a/", "a/1", "b", "c", "photos/", "photos/2026/1", "zzz", "\U0010ffff"])
def test_start_after_and_marker(s3, place, after):
    expected = [key for key in KEYS if key.encode() > after.encode()]
    answer = s3.list_objects_v2(Bucket=place, StartAfter=after)
    assert keys(answer) == expected
    assert answer.get("StartAfter", "") == after
    answer = s3.list_objects(Bucket=place, Marker=after)
    assert keys(answer) == expected
    assert answer["Marker"] == after


def test_the_marker_of_v1_is_the_last_entry(s3, place):
    first = s3.list_objects(Bucket=place, Delimiter="/", MaxKeys=2)
    assert (keys(first), prefixes(first), first["NextMarker"]) == (["a"], ["a+1/"], "a+1/")
    second = s3.list_objects(Bucket=place, Delimiter="/", MaxKeys=2, Marker=first["NextMarker"])
    assert (keys(second), prefixes(second), second["NextMarker"]) == (["b"], ["a/"], "b")
    plain = s3.list_objects(Bucket=place, MaxKeys=2)
    assert plain["IsTruncated"] is True
    assert "NextMarker" not in plain  # S3 tells it only with a delimiter; the last key is the marker
    assert keys(s3.list_objects(Bucket=place, MaxKeys=2, Marker=keys(plain)[-1])) == ["a/1", "a/2"]


@pytest.mark.parametrize(
    ("number", "shown"),
    [("0", "0"), ("1", "1"), ("999", "999"), ("1000", "1000"), ("2000", "1000"), ("2147483647", "1000")],
)
@pytest.mark.parametrize("version", ["1", "2"])
def test_max_keys(raw, place, version, number, shown):
    query = [("max-keys", number), *([("list-type", "2")] if version == "2" else [])]
    answer = raw.request("GET", f"/{place}", query)
    assert answer.xml.findtext("MaxKeys") == shown
    assert len(answer.xml.findall("Contents")) == min(int(number), len(KEYS))
    assert answer.xml.findtext("IsTruncated") == ("true" if number == "1" else "false")


@pytest.mark.parametrize("number", ["-1", "abc", "1.5", "2147483648", "0x10", "９"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_bad_max_keys(raw, place, version, number):
    query = [("max-keys", number), *([("list-type", "2")] if version == "2" else [])]
    answer = raw.request("GET", f"/{place}", query)
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["ArgumentName"].lower().replace("-", "") == "maxkeys"
    assert answer.error["ArgumentValue"] == number


def test_an_empty_max_keys_is_none(raw, place):
    assert raw.request("GET", f"/{place}", "max-keys=").xml.findtext("MaxKeys") == "1000"


def test_encoding_type(raw, place):
    for version in ("", "list-type=2&"):
        body = raw.request("GET", f"/{place}", f"{version}encoding-type=url&prefix=c%20&delimiter=%20").body
        assert b"<Prefix>c%20</Prefix>" in body
        assert b"<Delimiter>%20</Delimiter>" in body
        assert b"<EncodingType>url</EncodingType>" in body
        assert raw.request("GET", f"/{place}", f"{version}encoding-type=base64").told == (400, "InvalidArgument")


def test_of_no_bucket(s3, refused, new_name):
    for call in (s3.list_objects, s3.list_objects_v2, s3.list_object_versions, s3.list_multipart_uploads):
        refused("NoSuchBucket", 404, call, Bucket=new_name())


@pytest.mark.parametrize("more", [{"OptionalObjectAttributes": ["RestoreStatus"]}, {"RequestPayer": "requester"}])
def test_further_parameters(s3, place, more):
    assert keys(s3.list_objects(Bucket=place, **more)) == KEYS
