"""Sub-resources, headers and methods that decide the operation, and what must not fall through to the whole resource."""

import pytest

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.route import route

COPY = {"x-amz-copy-source": "b/k"}
FORM = {"content-type": "Multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("method", "level", "query", "headers", "name"),
    [
        ("GET", "service", "", {}, "ListBuckets"),
        ("GET", "bucket", "", {}, "ListObjects"),
        ("GET", "bucket", "prefix=a&marker=b", {}, "ListObjects"),
        ("GET", "bucket", "list-type=2&prefix=acl", {}, "ListObjectsV2"),
        ("GET", "bucket", "list-type=1", {}, "ListObjects"),
        ("GET", "bucket", "id=x", {}, "ListObjects"),
        ("GET", "bucket", "analytics&id=x", {}, "GetBucketAnalyticsConfiguration"),
        ("GET", "bucket", "analytics", {}, "ListBucketAnalyticsConfigurations"),
        ("GET", "bucket", "lifecycle", {}, "GetBucketLifecycleConfiguration"),
        ("PUT", "bucket", "notification", {}, "PutBucketNotificationConfiguration"),
        ("DELETE", "bucket", "inventory", {}, "DeleteBucketInventoryConfiguration"),
        ("HEAD", "bucket", "location", {}, "HeadBucket"),
        ("POST", "bucket", "delete", {}, "DeleteObjects"),
        ("POST", "bucket", "", FORM, "PostObject"),
        ("GET", "object", "x-id=GetObject", {}, "GetObject"),
        ("GET", "object", "partNumber=2&versionId=x", {}, "GetObject"),
        ("GET", "object", "uploadId=u", {}, "ListParts"),
        ("GET", "object", "attributes&versionId=x", {"x-amz-object-attributes": "ETag"}, "GetObjectAttributes"),
        ("GET", "object", "attributes", {}, "GetObjectAttributes"),
        ("GET", "object", "annotation", {}, "ListObjectAnnotations"),
        ("GET", "object", "annotation&annotationName=n", {}, "GetObjectAnnotation"),
        ("PUT", "object", "", COPY, "CopyObject"),
        ("PUT", "object", "tagging", COPY, "PutObjectTagging"),
        ("PUT", "object", "partNumber=1&uploadId=u", {}, "UploadPart"),
        ("PUT", "object", "partNumber=1&uploadId=u", COPY, "UploadPartCopy"),
        # Half an address of a part must not write the whole object.
        ("PUT", "object", "uploadId=u", {}, "UploadPart"),
        ("PUT", "object", "partNumber=1", {}, "UploadPart"),
        ("PUT", "object", "partNumber=1", COPY, "UploadPartCopy"),
        ("DELETE", "object", "uploadId=u", {}, "AbortMultipartUpload"),
        ("POST", "object", "uploads", {}, "CreateMultipartUpload"),
        ("POST", "object", "uploadId=u", {}, "CompleteMultipartUpload"),
        ("POST", "object", "select&select-type=2", {}, "SelectObjectContent"),
        ("POST", "object", "restore", {}, "RestoreObject"),
    ],
)
def test_route(method, level, query, headers, name):
    parameters = dict(one.partition("=")[::2] for one in query.split("&") if one)
    assert route(method, level, parameters, headers).name == name


@pytest.mark.parametrize(
    ("method", "level", "query", "resource", "allow"),
    [
        ("PUT", "service", {}, "SERVICE", "GET"),
        ("PATCH", "object", {}, "OBJECT", "DELETE, GET, HEAD, PUT"),
        ("POST", "object", {}, "OBJECT", "DELETE, GET, HEAD, PUT"),
        ("DELETE", "bucket", {"acl": ""}, "ACL", "GET, PUT"),
        ("PUT", "object", {"torrent": ""}, "TORRENT", "GET"),
        ("DELETE", "object", {"retention": ""}, "RETENTION", "GET, PUT"),
        ("POST", "bucket", {"versions": ""}, "VERSIONS", "GET"),
    ],
)
def test_a_subresource_that_the_method_does_not_have_is_refused(method, level, query, resource, allow):
    with pytest.raises(S3Fault) as caught:
        route(method, level, query, {})
    assert caught.value.code == "MethodNotAllowed"
    assert caught.value.fields == (("Method", method), ("ResourceType", resource))
    assert caught.value.headers == (("allow", allow),)


def test_subresources_exclude_each_other():
    with pytest.raises(S3Fault) as caught:
        route("GET", "bucket", {"policy": "", "acl": "", "prefix": "x"}, {})
    assert caught.value.message == "Conflicting query string parameters: acl, policy"
    assert caught.value.fields == (("ArgumentName", "ResourceType"), ("ArgumentValue", "acl"))


def test_a_post_to_a_bucket_is_a_form():
    with pytest.raises(S3Fault) as caught:
        route("POST", "bucket", {}, {"content-type": "application/x-www-form-urlencoded"})
    assert (caught.value.code, caught.value.status) == ("PreconditionFailed", 412)


def test_every_operation_has_an_action_of_a_known_service():
    wrong = [one.name for one in OPERATIONS.values() if one.action.split(":")[0] not in {"s3", "s3express", "s3-object-lambda"}]
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "action", "versioned"),
    [
        ("GetObject", "s3:GetObject", "s3:GetObjectVersion"),
        ("HeadObject", "s3:GetObject", "s3:GetObjectVersion"),
        ("ListObjectsV2", "s3:ListBucket", "s3:ListBucket"),
        ("UploadPart", "s3:PutObject", "s3:PutObject"),
        ("DeleteBucketCors", "s3:PutBucketCORS", "s3:PutBucketCORS"),
        ("GetBucketVersioning", "s3:GetBucketVersioning", "s3:GetBucketVersioning"),
        ("DeleteObjectTagging", "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    ],
)
def test_actions(name, action, versioned):
    assert (OPERATIONS[name].action, OPERATIONS[name].versioned_action) == (action, versioned)


def test_every_xml_answer_has_a_root(service_model):
    """botocore's parser does not look at the root; other clients do."""
    from dolmen.gateway.s3.operations import members

    own = [name for name in OPERATIONS if any(one.place == "x" for one in members(f"{name}Output"))]
    assert [name for name in own if not OPERATIONS[name].root] == []
