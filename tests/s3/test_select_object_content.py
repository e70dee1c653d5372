"""SelectObjectContent: closed by AWS to accounts that had not used it before July 2024, which is the answer here."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

SELECT = {
    "Expression": "select * from s3object",
    "ExpressionType": "SQL",
    "InputSerialization": {"CSV": {}},
    "OutputSerialization": {"CSV": {}},
}
QUERY = "select&select-type=2"
DOCUMENT = (
    b"<SelectObjectContentRequest><Expression>select * from s3object</Expression><ExpressionType>SQL</ExpressionType>"
    b"<InputSerialization><CSV/></InputSerialization><OutputSerialization><CSV/></OutputSerialization></SelectObjectContentRequest>"
)


@pytest.fixture
def target(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"a,b\n")
    return {"Bucket": bucket, "Key": "k"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"InputSerialization": {"JSON": {"Type": "LINES"}, "CompressionType": "GZIP"}, "OutputSerialization": {"JSON": {}}},
        {"InputSerialization": {"Parquet": {}}},
        {"RequestProgress": {"Enabled": True}},
        {"ScanRange": {"Start": 0, "End": 2}},
        {"ExpectedBucketOwner": ROOT_ACCOUNT},
        {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
    ],
    ids=str,
)
def test_is_not_allowed(s3, target, refused, more):
    error = refused("MethodNotAllowed", 405, s3.select_object_content, **target, **{**SELECT, **more})
    assert error["Message"] == "The specified method is not allowed against this resource."
    assert (error["Method"], error["ResourceType"]) == ("POST", "OBJECT")


def test_the_answer(raw, target):
    answer = raw.request("POST", f"/{target['Bucket']}/k", QUERY, body=DOCUMENT)
    assert answer.told == (405, "MethodNotAllowed")
    assert list(answer.error) == ["Code", "Message", "Method", "ResourceType", "Resource", "RequestId", "HostId"]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<SelectObjectContentRequest/>", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (DOCUMENT.replace(b"SQL", b"SPARQL"), "MalformedXML"),
        (DOCUMENT[:-3], "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, target, document, code):
    assert raw.request("POST", f"/{target['Bucket']}/k", QUERY, body=document).told == (400, code)


def test_of_nothing(s3, bucket, new_name, refused):
    assert refused("NoSuchKey", 404, s3.select_object_content, Bucket=bucket, Key="none", **SELECT)["Key"] == "none"
    refused("NoSuchBucket", 404, s3.select_object_content, Bucket=new_name(), Key="k", **SELECT)


def test_the_permission(s3, alice, anonymous, target, refused):
    bucket = target["Bucket"]
    refused("AccessDenied", 403, alice.select_object_content, **target, **SELECT)
    refused("AccessDenied", 403, s3.select_object_content, **target, **SELECT, ExpectedBucketOwner=ALICE_ACCOUNT)
    assert anonymous.request("POST", f"/{bucket}/k", QUERY, body=DOCUMENT).told == (403, "AccessDenied")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))  # s3:GetObject
    refused("MethodNotAllowed", 405, alice.select_object_content, **target, **SELECT)
