"""Object tags over their operations: set with the object and on their own, their limits, absent objects."""

import pytest

REFUSED = [
    ([(f"k{number}", "v") for number in range(11)], "BadRequest"),
    ([("k" * 129, "v")], "InvalidTag"),
    ([("k", "v" * 257)], "InvalidTag"),
    ([("aws:x", "v")], "InvalidTag"),
    ([("a", "1"), ("a", "2")], "InvalidTag"),
]


def tags(s3, bucket, **more):
    return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="k", **more)["TagSet"]}


def put(s3, bucket, pairs, **more):
    return s3.put_object_tagging(
        Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}, **more
    )


def test_on_their_own(s3, bucket):
    before = s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert tags(s3, bucket) == {}
    put(s3, bucket, [("a", "1"), ("日", "本")])
    assert tags(s3, bucket) == {"a": "1", "日": "本"}
    put(s3, bucket, [("b", "2")])
    assert tags(s3, bucket) == {"b": "2"}
    answer = s3.get_object(Bucket=bucket, Key="k")
    assert (answer["Body"].read(), answer["ETag"]) == (b"x", before["ETag"])
    assert s3.delete_object_tagging(Bucket=bucket, Key="k")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(s3, bucket) == {}
    assert "TagCount" not in s3.head_object(Bucket=bucket, Key="k")


def test_the_largest(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    pairs = [(f"{number}" + "ä" * 127, "本" * 256) for number in range(10)]
    put(s3, bucket, pairs)
    assert tags(s3, bucket) == dict(pairs)


@pytest.mark.parametrize(("pairs", "code"), REFUSED)
def test_refused(s3, bucket, refused, pairs, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="old=1")
    tagging = {"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}
    refused(code, 400, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=tagging)
    assert tags(s3, bucket) == {"old": "1"}
    text = "&".join(f"{key}={value}" for key, value in pairs)
    refused(code, 400, s3.put_object, Bucket=bucket, Key="k", Body=b"y", Tagging=text)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_a_header_that_is_no_query(s3, bucket, refused):
    refused("InvalidArgument", 400, s3.put_object, Bucket=bucket, Key="k", Body=b"y", Tagging="no equals sign")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<Tagging/>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
        (b"<!DOCTYPE x><Tagging><TagSet/></Tagging>", "MalformedXML"),
    ],
)
def test_bad_documents(s3, raw, bucket, document, code):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert raw.request("PUT", f"/{bucket}/k", "tagging", body=document).told == (400, code)


def test_of_nothing(s3, bucket, refused):
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="k")
    refused("NoSuchKey", 404, s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": []})
    refused("NoSuchKey", 404, s3.delete_object_tagging, Bucket=bucket, Key="k")
