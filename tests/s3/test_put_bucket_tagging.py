"""PutBucketTagging and tags of CreateBucket: their limits, and that a set replaces the one before."""

import pytest


def tag_set(pairs):
    return [{"Key": key, "Value": value} for key, value in pairs]


def put(s3, bucket, pairs):
    return s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tag_set(pairs)})


def tags(s3, bucket):
    return [(tag["Key"], tag["Value"]) for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]]


GOOD = [
    [("a", "1")],
    [("a", "")],
    [("z", "1"), ("a", "2"), ("m", "3")],
    [("k" * 128, "v" * 256)],
    [("ä" * 128, "本" * 256)],
    [("a b_.:/=+-@1", " v_.:/=+-@")],
    [("Aws", "x"), ("aws", "y"), ("xaws:", "z")],
    [(f"key-{number}", f"{number}") for number in range(50)],
]


@pytest.mark.parametrize("pairs", GOOD)
def test_round_trip(s3, bucket, pairs):
    put(s3, bucket, [("old", "1")])
    assert put(s3, bucket, pairs)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags(s3, bucket) == pairs


KEY = "The TagKey you have provided is invalid"
VALUE = "The TagValue you have provided is invalid"
SYSTEM = "System tags cannot be added/updated by requester"
BAD = [
    ([(f"k{number}", "v") for number in range(51)], "BadRequest", "Bucket tag count cannot be greater than 50", None),
    ([("a", "1"), ("b", "2"), ("a", "3")], "InvalidTag", "Cannot provide multiple Tags with the same key", "a"),
    ([("aws:x", "1")], "InvalidTag", SYSTEM, "aws:x"),
    ([("AWS:x", "1")], "InvalidTag", SYSTEM, "AWS:x"),
    ([("k" * 129, "1")], "InvalidTag", KEY, "k" * 129),
    ([("a!", "1")], "InvalidTag", KEY, "a!"),
    ([("a\tb", "1")], "InvalidTag", KEY, "a\tb"),
    ([("😀", "1")], "InvalidTag", KEY, "😀"),
    ([("a", "v" * 257)], "InvalidTag", VALUE, "a"),
    ([("a", "x<y")], "InvalidTag", VALUE, "a"),
    ([("a", "x*")], "InvalidTag", VALUE, "a"),
]


@pytest.mark.parametrize(("pairs", "code", "message", "key"), BAD)
def test_refused(s3, bucket, new_name, refused, pairs, code, message, key):
    put(s3, bucket, [("old", "1")])
    error = refused(code, 400, put, s3=s3, bucket=bucket, pairs=pairs)
    assert error["Message"] == message
    assert error.get("TagKey") == key
    assert tags(s3, bucket) == [("old", "1")]
    name = new_name()
    configuration = {"Tags": tag_set(pairs)}
    error = refused(code, 400, s3.create_bucket, Bucket=name, CreateBucketConfiguration=configuration)
    assert error["Message"] == message
    refused("404", 404, s3.head_bucket, Bucket=name)


def test_an_empty_key(raw, bucket):
    body = b"<Tagging><TagSet><Tag><Key></Key><Value>v</Value></Tag></TagSet></Tagging>"
    answer = raw.request("PUT", f"/{bucket}", "tagging", body=body)
    assert answer.told == (400, "InvalidTag")
    assert (answer.error["Message"], answer.error["TagKey"]) == (KEY, "")


def test_with_a_new_bucket(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"Tags": tag_set([("team", "red"), ("cost", "")])})
    assert tags(s3, name) == [("team", "red"), ("cost", "")]


def test_an_empty_set_is_none(s3, bucket, refused):
    put(s3, bucket, [("a", "1")])
    put(s3, bucket, [])
    refused("NoSuchTagSet", 404, s3.get_bucket_tagging, Bucket=bucket)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<Tagging/>", "MalformedXML"),
        (b"<Tags><TagSet/></Tags>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>", "MalformedXML"),
        (b"<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value>c</Value></Tag></TagSet></Tagging>", "MalformedXML"),
        (b"<!DOCTYPE x><Tagging><TagSet/></Tagging>", "MalformedXML"),
        (b"<Tagging><TagSet>", "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "tagging", body=document).told == (400, code)


def test_of_no_bucket_and_by_strangers(s3, alice, bucket, new_name, refused):
    refused("NoSuchBucket", 404, put, s3=s3, bucket=new_name(), pairs=[("a", "1")])
    refused("AccessDenied", 403, put, s3=alice, bucket=bucket, pairs=[("a", "1")])
