"""PutBucketCors: which rules are taken, and the texts of those that are not."""

import pytest

MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"


def rule(**given):
    return {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"], **given}


def put(s3, bucket, rules):
    return s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})


GOOD = [
    [rule()],
    [
        {
            "ID": "all of it",
            "AllowedHeaders": ["*", "x-AMZ-Meta-*"],
            "AllowedMethods": ["GET", "PUT", "POST", "DELETE", "HEAD"],
            "AllowedOrigins": ["http://test.com:80", "https://*.example.com", "null"],
            "ExposeHeaders": ["ETag", "x-amz-request-id"],
            "MaxAgeSeconds": 3000,
        }
    ],
    [rule(MaxAgeSeconds=0), rule(AllowedOrigins=["http://a"]), rule(ID="c")],
    [rule(AllowedOrigins=[""])],
    [rule(AllowedOrigins=[f"http://{number}"]) for number in range(100)],
]


@pytest.mark.parametrize("rules", GOOD)
def test_round_trip(s3, bucket, rules):
    put(s3, bucket, [rule(ID="old")])
    assert put(s3, bucket, rules)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == rules


METHOD = "Found unsupported HTTP method in CORS config. Unsupported method is {}"
WILDCARD = '{} "{}" can not have more than one wildcard.'
EXPOSE = 'ExposeHeader "{}" contains wildcard. We currently do not support wildcard for ExposeHeader.'


@pytest.mark.parametrize(
    ("rules", "code", "message"),
    [
        ([], "MalformedXML", MALFORMED),
        ([rule(AllowedMethods=[])], "MalformedXML", MALFORMED),
        ([rule(AllowedOrigins=[])], "MalformedXML", MALFORMED),
        ([rule(MaxAgeSeconds=-1)], "MalformedXML", MALFORMED),
        ([rule(), rule(AllowedMethods=["GET", "PATCH"])], "InvalidRequest", METHOD.format("PATCH")),
        ([rule(AllowedMethods=["OPTIONS"])], "InvalidRequest", METHOD.format("OPTIONS")),
        ([rule(AllowedMethods=["get"])], "InvalidRequest", METHOD.format("get")),
        ([rule(AllowedMethods=[""])], "InvalidRequest", METHOD.format("")),
        ([rule(AllowedOrigins=["http://*.*.com"])], "InvalidRequest", WILDCARD.format("AllowedOrigin", "http://*.*.com")),
        ([rule(AllowedHeaders=["*a*"])], "InvalidRequest", WILDCARD.format("AllowedHeader", "*a*")),
        ([rule(ExposeHeaders=["x-amz-*"])], "InvalidRequest", EXPOSE.format("x-amz-*")),
        (
            [rule()] * 101,
            "InvalidRequest",
            "The number of CORS rules should not exceed allowed limit of 100 rules.",
        ),
        ([rule(ID="i" * 256)], "InvalidArgument", "ID length should not exceed allowed limit of 255"),
    ],
)
def test_refused(s3, bucket, refused, rules, code, message):
    put(s3, bucket, [rule(ID="old")])
    error = refused(code, 400, put, s3=s3, bucket=bucket, rules=rules)
    assert error["Message"] == message
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [rule(ID="old")]


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<CORSConfiguration/>", "MalformedXML"),
        (b"<CORSConfiguration><CORSRule/></CORSConfiguration>", "MalformedXML"),
        (b"<Cors><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></Cors>", "MalformedXML"),
        (
            (
                b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
                b"<MaxAgeSeconds>soon</MaxAgeSeconds></CORSRule></CORSConfiguration>"
            ),
            "MalformedXML",
        ),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "cors", body=document).told == (400, code)


def test_more_than_64_kilobytes(s3, bucket, refused):
    origins = [f"http://{number:0120}" for number in range(520)]
    refused("MaxMessageLengthExceeded", 400, put, s3=s3, bucket=bucket, rules=[rule(AllowedOrigins=origins)])


def test_of_no_bucket_and_by_strangers(s3, alice, bucket, new_name, refused):
    refused("NoSuchBucket", 404, put, s3=s3, bucket=new_name(), rules=[rule()])
    refused("AccessDenied", 403, put, s3=alice, bucket=bucket, rules=[rule()])
