"""ListObjectsV2: tokens, StartAfter, owners, the document; what it shares with ListObjects is in test_list_objects."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

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


def test_v2(s3, place):
    answer = s3.list_objects_v2(Bucket=place)
    assert keys(answer) == KEYS
    assert (answer["Name"], answer["KeyCount"], answer["MaxKeys"]) == (place, len(KEYS), 1000)
    assert (answer["IsTruncated"], answer["Prefix"]) == (False, "")
    assert not {"NextContinuationToken", "ContinuationToken", "StartAfter", "Delimiter"} & answer.keys()
    for entry in answer["Contents"]:
        assert entry["Size"] == len(entry["Key"].encode())
        assert entry["ETag"] == s3.head_object(Bucket=place, Key=entry["Key"])["ETag"]
        assert entry["StorageClass"] == "STANDARD"
        assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == (["CRC32"], "FULL_OBJECT")
        assert "Owner" not in entry


def test_fetch_owner(s3, place):
    answer = s3.list_objects_v2(Bucket=place, FetchOwner=True)
    assert all(entry["Owner"]["DisplayName"] == "root" for entry in answer["Contents"])


@pytest.mark.parametrize(
    ("delimiter", "prefix", "objects", "common"),
    [
        ("/2026/", "", ["a", "a+1/x", "a/1", "a/2", "b", "c d", "photos/x", "ä"], ["photos/2026/"]),
        ("o", "", ["a", "a+1/x", "a/1", "a/2", "b", "c d", "ä"], ["pho"]),
        ("o", "pho", [], ["photo"]),
        ("ä", "", KEYS[:-1], ["ä"]),
        (" ", "", ["a", "a+1/x", "a/1", "a/2", "b", "photos/2026/1", "photos/2026/2", "photos/x", "ä"], ["c "]),
        ("none", "", KEYS, []),
        ("", "", KEYS, []),
    ],
)
def test_other_delimiters(s3, place, delimiter, prefix, objects, common):
    answer = s3.list_objects_v2(Bucket=place, Delimiter=delimiter, Prefix=prefix)
    assert (keys(answer), prefixes(answer)) == (objects, common)


def test_start_after_with_a_delimiter(s3, place):
    """A common prefix is one entry: it is behind the marker as a whole, or not at all."""
    answer = s3.list_objects_v2(Bucket=place, StartAfter="a/1", Delimiter="/")
    assert (keys(answer), prefixes(answer)) == (["b", "c d", "ä"], ["photos/"])
    answer = s3.list_objects_v2(Bucket=place, StartAfter="photos", Delimiter="/")
    assert (keys(answer), prefixes(answer)) == (["ä"], ["photos/"])
    answer = s3.list_objects_v2(Bucket=place, StartAfter="photos/", Delimiter="/")
    assert (keys(answer), prefixes(answer)) == (["ä"], [])


@pytest.mark.parametrize("token", ["", "nonsense", "%0A", "YWJj", "x" * 5000])
def test_foreign_continuation_tokens(raw, place, token):
    answer = raw.request("GET", f"/{place}", f"list-type=2&continuation-token={token}")
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["ArgumentName"] == "continuation-token"


def test_tokens_of_other_lists(raw, s3, alice, place, new_name):
    for _ in range(2):
        alice.create_bucket(Bucket=new_name())
    token = alice.list_buckets(MaxBuckets=1)["ContinuationToken"]
    answer = raw.request("GET", f"/{place}", [("list-type", "2"), ("continuation-token", token)])
    assert answer.told == (400, "InvalidArgument")


def test_a_token_goes_before_start_after(s3, place):
    first = s3.list_objects_v2(Bucket=place, MaxKeys=2, StartAfter="a")
    assert keys(first) == ["a+1/x", "a/1"]
    second = s3.list_objects_v2(
        Bucket=place, MaxKeys=2, StartAfter="a", ContinuationToken=first["NextContinuationToken"]
    )
    assert keys(second) == ["a/2", "b"]
    assert second["ContinuationToken"] == first["NextContinuationToken"]


def test_the_document(raw, place):
    """As S3 writes it: namespace, order of elements, times with milliseconds, quoted ETags."""
    body = raw.request("GET", f"/{place}", "list-type=2&max-keys=1&fetch-owner=true").body.decode()
    assert body.startswith(
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    )
    root = raw.request("GET", f"/{place}", "list-type=2&max-keys=1&fetch-owner=true").xml
    entry = root.find("Contents")
    assert {element.tag for element in entry} >= {"Key", "LastModified", "ETag", "Size", "StorageClass", "Owner"}
    assert entry.findtext("LastModified").endswith(".000Z")
    assert entry.findtext("ETag").startswith('"')
    assert [element.tag for element in entry.find("Owner")] in (["ID", "DisplayName"], ["DisplayName", "ID"])


def test_of_nothing(s3, bucket):
    answer = s3.list_objects_v2(Bucket=bucket)
    assert (answer["KeyCount"], answer["IsTruncated"]) == (0, False)
    assert not {"Contents", "CommonPrefixes"} & answer.keys()


def test_writes_are_listed_at_once_by_every_gateway(clients, bucket):
    for number in range(12):
        clients[number % 6].put_object(Bucket=bucket, Key=f"{number:02}", Body=b"x")
        assert len(keys(clients[(number + 1) % 6].list_objects_v2(Bucket=bucket))) == number + 1
    for number in range(12):
        clients[number % 6].delete_object(Bucket=bucket, Key=f"{number:02}")
        assert len(keys(clients[(number + 1) % 6].list_objects_v2(Bucket=bucket))) == 11 - number


def test_more_than_a_page(s3, raw, bucket):
    """1,003 keys: copies of nothing are the cheapest objects."""
    names = [f"{number:04}" for number in range(1003)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b""), names))
    first = s3.list_objects_v2(Bucket=bucket)
    assert (len(keys(first)), first["IsTruncated"]) == (1000, True)
    second = s3.list_objects_v2(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert keys(first) + keys(second) == names
    assert second["IsTruncated"] is False
    objects = [{"Key": key} for key in names[:1000]]
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})["Deleted"]) == 1000
    assert keys(s3.list_objects_v2(Bucket=bucket)) == names[1000:]


def test_encoding_by_hand(s3, raw, bucket):
    for key in ("a b", "a+b", "ä", "<&>"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = raw.request("GET", f"/{bucket}", "list-type=2&encoding-type=url&start-after=%20")
    found = [element.findtext("Key") for element in answer.xml.findall("Contents")]
    assert found == ["%3C%26%3E", "a%20b", "a%2Bb", "%C3%A4"]
    assert (answer.xml.findtext("EncodingType"), answer.xml.findtext("StartAfter")) == ("url", "%20")
    plain = raw.request("GET", f"/{bucket}", "list-type=2")
    assert [element.findtext("Key") for element in plain.xml.findall("Contents")] == ["<&>", "a b", "a+b", "ä"]
    assert plain.xml.find("EncodingType") is None


@pytest.mark.parametrize("more", [{"OptionalObjectAttributes": ["RestoreStatus"]}, {"ExpectedBucketOwner": ROOT_ACCOUNT}])
def test_further_parameters(s3, place, more):
    assert keys(s3.list_objects_v2(Bucket=place, **more)) == KEYS


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 11])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages(s3, place, size, delimiter):
    whole = s3.list_objects_v2(Bucket=place, Delimiter=delimiter)
    found, common, more = [], [], {}
    while True:
        page = s3.list_objects_v2(Bucket=place, MaxKeys=size, Delimiter=delimiter, **more)
        assert page["KeyCount"] == len(keys(page)) + len(prefixes(page)) <= size
        found += keys(page)
        common += prefixes(page)
        if not page["IsTruncated"]:
            break
        more = {"ContinuationToken": page["NextContinuationToken"]}
    assert (found, common) == (keys(whole), prefixes(whole))


def test_the_permission(s3, alice, anonymous, bucket, refused):
    for key in ("open/a", "shut/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    refused("AccessDenied", 403, alice.list_objects_v2, Bucket=bucket)
    assert anonymous.request("GET", f"/{bucket}", "list-type=2").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
    condition = {"StringLike": {"s3:prefix": "open/*"}, "NumericLessThanEquals": {"s3:max-keys": "10"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, **named, Condition=condition)))
    assert keys(alice.list_objects_v2(Bucket=bucket, Prefix="open/", MaxKeys=10)) == ["open/a"]
    refused("AccessDenied", 403, alice.list_objects_v2, Bucket=bucket, Prefix="open/", MaxKeys=11)
    refused("AccessDenied", 403, alice.list_objects_v2, Bucket=bucket, Prefix="shut/", MaxKeys=10)
    refused("AccessDenied", 403, alice.list_objects_v2, Bucket=bucket, MaxKeys=10)
