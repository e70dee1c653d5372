"""ListObjectVersions: order, IsLatest, markers; pages of any size tell the same."""

import itertools
import random

import pytest
from access import ALICE_ACCOUNT, policy, statement


def enable(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


@pytest.fixture(scope="module")
def history(s3, new_name):
    """(bucket, what it holds): rows (key, version id, is latest, kind), newest first within a key."""
    name = new_name()
    s3.create_bucket(Bucket=name)
    made = {}
    keys = ["a", "a/1", "a/2", "a/b/1", "b", "ä", "z/1", "null"]
    for key in keys[:4]:
        s3.put_object(Bucket=name, Key=key, Body=b"null")
        made[key] = [("null", "object")]
    enable(s3, name)
    choose = random.Random(7)
    for _ in range(40):
        key = choose.choice(keys)
        if choose.random() < 0.3:
            made.setdefault(key, []).append((s3.delete_object(Bucket=name, Key=key)["VersionId"], "marker"))
        else:
            made.setdefault(key, []).append((s3.put_object(Bucket=name, Key=key, Body=b"x")["VersionId"], "object"))
    rows = []
    for key in sorted(made, key=str.encode):
        newest_first = made[key][::-1]
        rows += [(key, version, number == 0, kind) for number, (version, kind) in enumerate(newest_first)]
    return name, rows


def document_rows(answer):
    """The rows of a raw answer in document order: Version and DeleteMarker elements are mixed."""
    return [
        (
            element.findtext("Key"),
            element.findtext("VersionId"),
            element.findtext("IsLatest") == "true",
            "object" if element.tag == "Version" else "marker",
        )
        for element in answer.xml
        if element.tag in ("Version", "DeleteMarker")
    ]


def test_all_in_one_page(raw, history):
    name, rows = history
    answer = raw.request("GET", f"/{name}", "versions")
    assert document_rows(answer) == rows
    assert answer.xml.findtext("IsTruncated") == "false"
    assert answer.xml.find("NextKeyMarker") is None


def test_what_boto3_makes_of_it(s3, history):
    name, rows = history
    answer = s3.list_object_versions(Bucket=name)
    objects = [(row["Key"], row["VersionId"], row["IsLatest"]) for row in answer["Versions"]]
    markers = [(row["Key"], row["VersionId"], row["IsLatest"]) for row in answer["DeleteMarkers"]]
    assert objects == [row[:3] for row in rows if row[3] == "object"]
    assert markers == [row[:3] for row in rows if row[3] == "marker"]
    for row in answer["Versions"]:
        assert row["StorageClass"] == "STANDARD"
        assert row["Owner"]["ID"]
        assert row["ETag"].startswith('"')
    for row in answer["DeleteMarkers"]:
        assert row.keys() == {"Owner", "Key", "VersionId", "IsLatest", "LastModified"}


def walk(raw, name, size, **query):
    """All rows and common prefixes, page by page."""
    rows, prefixes, markers = [], [], {}
    for _ in range(500):
        pairs = [("versions", ""), ("max-keys", str(size)), *query.items(), *markers.items()]
        answer = raw.request("GET", f"/{name}", [(key.replace("_", "-"), value) for key, value in pairs])
        assert answer.status == 200, answer.body
        page = document_rows(answer)
        common = [element.findtext("Prefix") for element in answer.xml.findall("CommonPrefixes")]
        assert len(page) + len(common) <= size
        rows += page
        prefixes += common
        if answer.xml.findtext("IsTruncated") == "false":
            return rows, prefixes
        assert len(page) + len(common) == size
        markers = {"key-marker": answer.xml.findtext("NextKeyMarker")}
        if (version := answer.xml.findtext("NextVersionIdMarker")) is not None:
            markers["version-id-marker"] = version
    raise AssertionError("the walk does not end")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 47])
def test_pages_tell_the_same(raw, history, size):
    name, rows = history
    assert walk(raw, name, size) == (rows, [])


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "z", "none"])
def test_prefix_and_delimiter(raw, history, size, prefix):
    name, rows = history
    expected, common = [], []
    for row in rows:
        if row[0].startswith(prefix):
            rest = row[0][len(prefix) :]
            if "/" in rest:
                common.append(prefix + rest.partition("/")[0] + "/")
            else:
                expected.append(row)
    common = [key for key, _ in itertools.groupby(common)]
    assert walk(raw, name, size, prefix=prefix, delimiter="/") == (expected, common)


def test_from_a_key_marker_on(s3, history):
    name, rows = history
    answer = s3.list_object_versions(Bucket=name, KeyMarker="a/2")
    found = {(row["Key"], row["VersionId"]) for kind in ("Versions", "DeleteMarkers") for row in answer.get(kind, [])}
    assert found == {row[:2] for row in rows if row[0].encode() > b"a/2"}
    assert answer["KeyMarker"] == "a/2"


def test_the_null_version_is_a_marker_too(raw, history):
    name, rows = history
    at = next(number for number, row in enumerate(rows) if row[:2] == ("a/1", "null"))
    answer = raw.request("GET", f"/{name}", "versions&key-marker=a%2F1&version-id-marker=null")
    assert document_rows(answer) == rows[at + 1 :]


def test_a_version_marker_that_was_deleted(s3, raw, versioned):
    ids = [s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"] for _ in range(3)]
    s3.delete_object(Bucket=versioned, Key="k", VersionId=ids[1])
    answer = raw.request("GET", f"/{versioned}", [("versions", ""), ("key-marker", "k"), ("version-id-marker", ids[1])])
    assert [row[1] for row in document_rows(answer)] == [ids[0]]


@pytest.mark.parametrize(
    "query", ["version-id-marker=null", "key-marker=k&version-id-marker=xyz", "max-keys=-1", "max-keys=abc", "encoding-type=x"]
)
def test_bad_markers(raw, bucket, query):
    assert raw.request("GET", f"/{bucket}", f"versions&{query}").told == (400, "InvalidArgument")


def test_an_unversioned_bucket_has_null_versions(s3, bucket):
    for key in ("b", "a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(row["Key"], row["VersionId"], row["IsLatest"]) for row in listed] == [("a", "null", True), ("b", "null", True)]


def test_max_keys_0(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    answer = s3.list_object_versions(Bucket=bucket, MaxKeys=0)
    assert (answer["IsTruncated"], answer["MaxKeys"]) == (False, 0)
    assert "Versions" not in answer


def test_encoding_type(raw, s3, versioned):
    s3.put_object(Bucket=versioned, Key="a b\x01", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="a b\x01")
    body = raw.request("GET", f"/{versioned}", "versions&encoding-type=url&prefix=a%20").body
    assert body.count(b"<Key>a%20b%01</Key>") == 2
    assert b"<Prefix>a%20</Prefix>" in body


def test_prefixes_of_deleted_keys_stay_in_versions_only(s3, versioned):
    """pgBackRest leans on it: a deleted directory is gone from the list of objects."""
    s3.put_object(Bucket=versioned, Key="d/1", Body=b"x")
    s3.delete_object(Bucket=versioned, Key="d/1")
    assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=versioned, Delimiter="/")
    assert s3.list_object_versions(Bucket=versioned, Delimiter="/")["CommonPrefixes"] == [{"Prefix": "d/"}]


def test_optional_attributes(s3, history):
    name, rows = history
    answer = s3.list_object_versions(Bucket=name, OptionalObjectAttributes=["RestoreStatus"])
    assert len(answer["Versions"]) + len(answer["DeleteMarkers"]) == len(rows)


def test_the_permission(s3, alice, anonymous, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    refused("AccessDenied", 403, alice.list_object_versions, Bucket=versioned)
    assert anonymous.request("GET", f"/{versioned}", "versions").told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{versioned}"}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action="s3:ListBucket", **named)))
    refused("AccessDenied", 403, alice.list_object_versions, Bucket=versioned)
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action="s3:ListBucketVersions", **named)))
    assert len(alice.list_object_versions(Bucket=versioned)["Versions"]) == 1
