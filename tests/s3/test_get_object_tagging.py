"""GetObjectTagging: the tags of an object and of its versions."""


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
