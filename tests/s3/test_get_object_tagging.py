"""GetObjectTagging: the tags of an object and of its versions."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement


def tags(s3, bucket, **more):
    return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(Bucket=bucket, Key="k", **more)["TagSet"]}


def put(s3, bucket, pairs, **more):
    return s3.put_object_tagging(
        Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in pairs]}, **more
    )


def test_with_the_object(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=&c+d=%C3%A4%2B")
    assert tags(s3, bucket) == {"a": "1", "b": "", "c d": "ä+"}
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 3
    assert s3.head_object(Bucket=bucket, Key="k")["TagCount"] == 3


def test_an_overwrite_has_no_tags_of_the_old(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1")
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert tags(s3, bucket) == {}


def test_of_versions(s3, versioned, refused):
    one = s3.put_object(Bucket=versioned, Key="k", Body=b"1", Tagging="n=1")["VersionId"]
    two = s3.put_object(Bucket=versioned, Key="k", Body=b"2", Tagging="n=2")["VersionId"]
    assert tags(s3, versioned) == {"n": "2"}
    assert tags(s3, versioned, VersionId=one) == {"n": "1"}
    assert put(s3, versioned, [("n", "one")], VersionId=one)["VersionId"] == one
    assert s3.get_object_tagging(Bucket=versioned, Key="k")["VersionId"] == two
    assert (tags(s3, versioned), tags(s3, versioned, VersionId=one)) == ({"n": "2"}, {"n": "one"})
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=versioned, Key="k")
    refused("MethodNotAllowed", 405, s3.get_object_tagging, Bucket=versioned, Key="k", VersionId=marker)
    s3.delete_object_tagging(Bucket=versioned, Key="k", VersionId=one)
    assert tags(s3, versioned, VersionId=one) == {}


NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.mark.parametrize(
    ("given", "document"),
    [
        ("", "<TagSet></TagSet>"),
        ("a=1", "<TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet>"),
        ("a=%2B&b=", "<TagSet><Tag><Key>a</Key><Value>+</Value></Tag><Tag><Key>b</Key><Value></Value></Tag></TagSet>"),
    ],
)
def test_the_document(raw, bucket, given, document):
    raw.request("PUT", f"/{bucket}/k", headers={"x-amz-tagging": given} if given else {}, body=b"x")
    answer = raw.request("GET", f"/{bucket}/k", "tagging")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    text = answer.body.decode().partition("\n")[2].replace("<TagSet/>", "<TagSet></TagSet>").replace("<Value/>", "<Value></Value>")
    assert text == f'<Tagging xmlns="{NAMESPACE}">{document}</Tagging>'


def test_of_nothing(s3, bucket, new_name, refused):
    assert refused("NoSuchKey", 404, s3.get_object_tagging, Bucket=bucket, Key="none")["Key"] == "none"
    refused("NoSuchBucket", 404, s3.get_object_tagging, Bucket=new_name(), Key="k")


@pytest.mark.parametrize(("action", "with_version"), [("s3:GetObjectTagging", False), ("s3:GetObjectVersionTagging", True)])
def test_the_permission(s3, alice, anonymous, versioned, refused, action, with_version):
    named = {"Bucket": versioned, "Key": "k"}
    version = s3.put_object(**named, Body=b"x", Tagging="a=1")["VersionId"]
    forms = {False: {}, True: {"VersionId": version}}
    refused("AccessDenied", 403, alice.get_object_tagging, **named, **forms[with_version])
    assert anonymous.request("GET", f"/{versioned}/k", "tagging").told == (403, "AccessDenied")
    refused("AccessDenied", 403, s3.get_object_tagging, **named, ExpectedBucketOwner=ALICE_ACCOUNT)
    one = {"Principal": {"AWS": ALICE_ACCOUNT}}
    s3.put_bucket_policy(Bucket=versioned, Policy=policy(statement(versioned, Action=action, **one)))
    refused("AccessDenied", 403, alice.get_object_tagging, **named, **forms[not with_version])
    answer = alice.get_object_tagging(**named, **forms[with_version], ExpectedBucketOwner=ROOT_ACCOUNT)
    assert answer["TagSet"] == [{"Key": "a", "Value": "1"}]
