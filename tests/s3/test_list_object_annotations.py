"""ListObjectAnnotations: of every object the list is empty, and says of which version it speaks."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    return {"Bucket": bucket, "Key": "k"}


@pytest.mark.parametrize("prefix", [None, "n", "ä"])
def test_none_are_listed(s3, target, prefix):
    answer = s3.list_object_annotations(**target, **({"AnnotationPrefix": prefix} if prefix else {}))
    found = {name: answer.get(name) for name in ("AnnotationCount", "Bucket", "Key", "AnnotationPrefix", "ObjectVersionId")}
    assert found == {"AnnotationCount": 0, **target, "AnnotationPrefix": prefix, "ObjectVersionId": "null"}
    assert not answer.get("Annotations")
    assert not answer.get("NextContinuationToken")


def test_the_document(raw, target):
    body = raw.request("GET", f"/{target['Bucket']}/k", "annotation&max-annotation-results=5").body.decode()
    assert body.partition("\n")[2] == (
        f'<ListObjectAnnotationsResult xmlns="{NAMESPACE}"><Annotations></Annotations><Bucket>{target["Bucket"]}</Bucket>'
        "<Key>k</Key><MaxAnnotationResults>5</MaxAnnotationResults><AnnotationCount>0</AnnotationCount>"
        "</ListObjectAnnotationsResult>"
    )


@pytest.mark.parametrize(("given", "shown"), [(None, 1000), (1, 1), (1000, 1000), (1001, 1000)])
def test_the_size_of_a_page(s3, target, given, shown):
    answer = s3.list_object_annotations(**target, **({"MaxAnnotationResults": given} if given else {}))
    assert answer["MaxAnnotationResults"] == shown


def test_a_size_that_is_none(raw, target):
    answer = raw.request("GET", f"/{target['Bucket']}/k", "annotation&max-annotation-results=many")
    assert answer.told == (400, "InvalidArgument")


def test_of_nothing(s3, bucket, new_name, refused):
    refused("NoSuchKey", 404, s3.list_object_annotations, Bucket=bucket, Key="none")
    refused("NoSuchBucket", 404, s3.list_object_annotations, Bucket=new_name(), Key="k")


def test_of_versions(s3, versioned, refused):
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")["VersionId"]
    answer = s3.list_object_annotations(Bucket=versioned, Key="k", VersionId=version)
    assert answer["ObjectVersionId"] == version
    refused("NoSuchKey", 404, s3.list_object_annotations, Bucket=versioned, Key="k")
    refused("MethodNotAllowed", 405, s3.list_object_annotations, Bucket=versioned, Key="k", VersionId=marker)


@pytest.mark.parametrize("more", [{"RequestPayer": "requester"}, {"ExpectedBucketOwner": ROOT_ACCOUNT}])
def test_further_parameters(s3, target, more):
    assert s3.list_object_annotations(**target, **more)["AnnotationCount"] == 0


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.list_object_annotations, **target)
    refused("AccessDenied", 403, s3.list_object_annotations, **target, ExpectedBucketOwner=ALICE_ACCOUNT)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("GET", f"/{bucket}/k", "annotation").told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Action="s3:ListObjectAnnotations")))
    assert alice.list_object_annotations(**target)["AnnotationCount"] == 0
