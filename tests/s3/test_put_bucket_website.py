"""PutBucketWebsite: which configurations are taken, and the texts of those that are not."""

import pytest

INDEX = {"Suffix": "index.html"}
ELSEWHERE = {"HostName": "example.com"}


def put(s3, bucket, **configuration):
    return s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration=configuration)


def got(s3, bucket):
    answer = s3.get_bucket_website(Bucket=bucket)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


GOOD = [
    {"IndexDocument": INDEX},
    {"IndexDocument": INDEX, "ErrorDocument": {"Key": "errors/404.html"}},
    {"RedirectAllRequestsTo": ELSEWHERE},
    {"RedirectAllRequestsTo": {"HostName": "example.com", "Protocol": "https"}},
    {
        "IndexDocument": INDEX,
        "ErrorDocument": {"Key": "e"},
        "RoutingRules": [
            {"Condition": {"KeyPrefixEquals": "docs/"}, "Redirect": {"ReplaceKeyPrefixWith": "documents/"}},
            {
                "Condition": {"HttpErrorCodeReturnedEquals": "404", "KeyPrefixEquals": "a&b/"},
                "Redirect": {"HostName": "x", "HttpRedirectCode": "302", "Protocol": "https", "ReplaceKeyWith": "gone"},
            },
            {"Redirect": {"HostName": "y"}},
        ],
    },
    {"IndexDocument": INDEX, "RoutingRules": [{"Redirect": {"HostName": "y"}}] * 50},
]


@pytest.mark.parametrize("configuration", GOOD)
def test_round_trip(s3, bucket, configuration):
    put(s3, bucket, IndexDocument={"Suffix": "old"}, ErrorDocument={"Key": "old"})
    assert put(s3, bucket, **configuration)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert got(s3, bucket) == configuration


def routed(rule):
    return {"IndexDocument": INDEX, "RoutingRules": [rule]}


NO_INDEX = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
NOT_BOTH = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
EMPTY_CONDITION = (
    "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."
)


@pytest.mark.parametrize(
    ("configuration", "code", "message", "argument"),
    [
        ({}, "InvalidArgument", NO_INDEX, ("IndexDocument", "null")),
        ({"ErrorDocument": {"Key": "e"}}, "InvalidArgument", NO_INDEX, ("IndexDocument", "null")),
        (
            {"IndexDocument": {"Suffix": "a/b"}},
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            ("IndexDocument", "a/b"),
        ),
        (
            {"IndexDocument": INDEX, "RedirectAllRequestsTo": ELSEWHERE},
            "InvalidArgument",
            NOT_BOTH,
            ("RedirectAllRequestsTo", "not null"),
        ),
        (routed({"Condition": {}, "Redirect": ELSEWHERE}), "InvalidRequest", EMPTY_CONDITION, None),
        (
            routed({"Redirect": {"ReplaceKeyWith": "a", "ReplaceKeyPrefixWith": "b"}}),
            "InvalidRequest",
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
            None,
        ),
        (
            routed({"Redirect": {"HttpRedirectCode": "200"}}),
            "InvalidRequest",
            "The provided HTTP redirect code (200) is not valid. Valid codes are 3XX except 300.",
            None,
        ),
        (
            routed({"Condition": {"HttpErrorCodeReturnedEquals": "302"}, "Redirect": ELSEWHERE}),
            "InvalidRequest",
            "The provided HTTP error code (302) is not valid. Valid codes are 4XX or 5XX.",
            None,
        ),
        (
            {"IndexDocument": INDEX, "RoutingRules": [{"Redirect": ELSEWHERE}] * 51},
            "InvalidRequest",
            "51 routing rules provided, the number of routing rules in a website configuration is limited to 50.",
            None,
        ),
        ({"IndexDocument": INDEX, "RoutingRules": []}, "MalformedXML", None, None),
    ],
)
def test_refused(s3, bucket, refused, configuration, code, message, argument):
    put(s3, bucket, IndexDocument={"Suffix": "old"})
    error = refused(code, 400, s3.put_bucket_website, Bucket=bucket, WebsiteConfiguration=configuration)
    assert message is None or error["Message"] == message
    if argument is not None:
        assert (error["ArgumentName"], error["ArgumentValue"]) == argument
    assert got(s3, bucket) == {"IndexDocument": {"Suffix": "old"}}


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        (b"", "InvalidArgument"),
        (b"<IndexDocument/>", "MalformedXML"),
        (b"<IndexDocument><Suffix></Suffix></IndexDocument>", "InvalidArgument"),
        (b"<RedirectAllRequestsTo/>", "MalformedXML"),
        (b"<RedirectAllRequestsTo><HostName></HostName></RedirectAllRequestsTo>", "InvalidRequest"),
        (b"<IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument/>", "MalformedXML"),
        (b"<IndexDocument><Suffix>i</Suffix></IndexDocument><ErrorDocument><Key></Key></ErrorDocument>", "InvalidArgument"),
        (
            b"<IndexDocument><Suffix>i</Suffix></IndexDocument><RoutingRules><RoutingRule/></RoutingRules>",
            "MalformedXML",
        ),
    ],
)
def test_documents_that_no_sdk_sends(raw, bucket, inner, code):
    body = b"<WebsiteConfiguration>" + inner + b"</WebsiteConfiguration>"
    assert raw.request("PUT", f"/{bucket}", "website", body=body).told == (400, code)


def test_no_document(raw, bucket):
    assert raw.request("PUT", f"/{bucket}", "website", body=b"").told == (400, "MissingRequestBodyError")
    assert raw.request("PUT", f"/{bucket}", "website", body=b"<Website/>").told == (400, "MalformedXML")


def test_of_no_bucket_and_by_strangers(s3, alice, bucket, new_name, refused):
    site = {"IndexDocument": INDEX}
    refused("NoSuchBucket", 404, s3.put_bucket_website, Bucket=new_name(), WebsiteConfiguration=site)
    refused("AccessDenied", 403, alice.put_bucket_website, Bucket=bucket, WebsiteConfiguration=site)
