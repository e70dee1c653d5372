"""Parameters that many operations share mean the same everywhere: ExpectedBucketOwner, RequestPayer, digests of documents.

Each operation is asked with the least that botocore takes; what matters is whether the parameter changes the outcome.
"""

import base64
import hashlib

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore_arguments import arguments_of

from dolmen.gateway.s3.operations import OPERATIONS

MODEL = get_session().get_service_model("s3")
ALGORITHMS = ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]
# Their bodies are streams, whose digests test_object_checksums is about.
STREAMS = {"PutObject", "UploadPart", "PutObjectAnnotation", "WriteGetObjectResponse"}
# botocore asks for a session, or talks to another host, before it sends them; they have files of their own.
ELSEWHERE = {"CreateSession", "WriteGetObjectResponse", "ListDirectoryBuckets"}


def with_parameter(name):
    """Routed operations of botocore's model that take a parameter."""
    found = []
    for operation in sorted(set(MODEL.operation_names) - ELSEWHERE):
        shape = MODEL.operation_model(operation).input_shape
        if shape is not None and name in shape.members and OPERATIONS[operation].routed:
            found.append(operation)
    return found


@pytest.fixture
def ask(s3, new_name):
    """``ask(operation, **more)``: (status, code) of the operation on a bucket of its own that holds one object."""

    def outcome(operation, client=s3, **more):
        bucket = new_name()
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"x")
        arguments = arguments_of(s3, operation, bucket)
        if operation == "DeleteBucket":
            s3.delete_object(Bucket=bucket, Key="k")
        if operation in ("CopyObject", "UploadPartCopy"):
            arguments["CopySource"] = f"{bucket}/k"
            arguments["Key"] = "copy"
        if operation == "RenameObject":
            arguments |= {"RenameSource": "k", "Key": "renamed"}
        try:
            answer = getattr(client, xform_name(operation))(**{**arguments, **more})
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if "Body" in answer:
            answer["Body"].read()
        return answer["ResponseMetadata"]["HTTPStatusCode"], ""

    return outcome


def denied(operation):
    """A HEAD has no document to tell a code in."""
    return 403, "403" if operation.startswith("Head") else "AccessDenied"


@pytest.mark.parametrize("operation", with_parameter("ExpectedBucketOwner"))
def test_the_expected_owner(ask, operation):
    plain = ask(operation)
    assert plain != denied(operation)
    assert ask(operation, ExpectedBucketOwner=ROOT_ACCOUNT) == plain
    assert ask(operation, ExpectedBucketOwner=ALICE_ACCOUNT) == denied(operation)


@pytest.mark.parametrize("operation", with_parameter("ExpectedSourceBucketOwner"))
def test_the_expected_owner_of_a_source(ask, operation):
    assert ask(operation, ExpectedSourceBucketOwner=ROOT_ACCOUNT) == ask(operation)
    if operation == "CopyObject":  # a copy of a part looks for its upload first
        assert ask(operation, ExpectedSourceBucketOwner=ALICE_ACCOUNT) == (403, "AccessDenied")


@pytest.mark.parametrize("operation", with_parameter("RequestPayer"))
def test_an_owner_may_say_that_it_pays(ask, operation):
    assert ask(operation, RequestPayer="requester") == ask(operation)


@pytest.mark.parametrize("operation", with_parameter("MFA"))
def test_a_device_changes_nothing(ask, operation):
    assert ask(operation, MFA="arn:aws:iam::000000000000:mfa/device 123456") == ask(operation)


# -- documents -----------------------------------------------------------------------------------------------------------------

DOCUMENTS = [name for name in with_parameter("ContentMD5") if name not in STREAMS]
CHECKED = [name for name in with_parameter("ChecksumAlgorithm") if name not in STREAMS and OPERATIONS[name].body == "xml"]


def md5_of(s3, operation, ask):
    """Content-MD5 of the document that botocore writes for the operation's arguments."""
    seen = []

    def note(params, **_):
        seen.append(params["body"])

    event = f"before-call.s3.{operation}"
    s3.meta.events.register(event, note)
    try:
        plain = ask(operation)
    finally:
        s3.meta.events.unregister(event, note)
    return plain, base64.b64encode(hashlib.md5(seen[-1]).digest()).decode()


@pytest.mark.parametrize("operation", DOCUMENTS)
def test_content_md5_of_a_document(s3, ask, operation):
    plain, text = md5_of(s3, operation, ask)
    assert ask(operation, ContentMD5=text) == plain
    assert ask(operation, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == (400, "BadDigest")
    assert ask(operation, ContentMD5="no digest") == (400, "InvalidDigest")


@pytest.mark.parametrize("operation", CHECKED)
def test_checksums_of_a_document(ask, operation):
    plain = ask(operation)
    for algorithm in ALGORITHMS:
        assert ask(operation, ChecksumAlgorithm=algorithm) == plain, algorithm


@pytest.mark.parametrize("operation", CHECKED)
def test_a_wrong_checksum_of_a_document(raw, s3, bucket, operation):
    """By hand, as botocore only sends right ones."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    row = OPERATIONS[operation]
    query = [tuple((text + "=").split("=")[:2]) for text in row.query]
    headers = {text.partition("=")[0]: text.partition("=")[2] for text in row.headers}
    path = f"/{bucket}/k" if row.level == "object" else f"/{bucket}"
    for name, text in (("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-sha256", "A" * 43 + "=")):
        answer = raw.request(row.method, path, query, {**headers, name: text}, b"<Any/>")
        assert answer.told == (400, "BadDigest"), name
