"""Pages of a bucket on a website's host: index and error documents, redirects, and HTML for errors."""

import itertools
import json
import re

import pytest
from dev_server import ALICE, DevServer
from raw_s3 import RawS3

DOMAIN = "web.dolmen.test"
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A store that serves websites below ``DOMAIN``."""
    with DevServer(tmp_path_factory.mktemp("web"), environment={"DOLMEN_WEBSITE_DOMAIN": DOMAIN}) as made:
        yield made
        assert made.stop() == 0, made.output()


@pytest.fixture(scope="module")
def owner(web):
    return web.client(ALICE)


def publish(owner, name, actions=("s3:GetObject",)):
    """Everybody may read the objects (and list them, with s3:ListBucket) but those below private/."""
    statements = [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": action,
            "Resource": f"arn:aws:s3:::{name}" + ("" if action == "s3:ListBucket" else "/*"),
        }
        for action in actions
    ]
    statements.append(
        {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/private/*"}
    )
    policy = {"Version": "2012-10-17", "Statement": statements}
    owner.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))


PAGES = {
    "index.html": b"<h1>home</h1>",
    "docs/index.html": b"docs",
    "docs/a b&c.html": b"odd",
    "plain": b"plain",
    "errors/404.html": b"not here, sorry",
    "private/index.html": b"secret",
    "private/page": b"secret",
    "dir/": b"a marker",
    "empty": b"",
}


class Site:
    def __init__(self, web, owner, **configuration):
        self.owner, self.port = owner, web.port
        self.name = f"site-{next(_NUMBERS)}"
        owner.create_bucket(Bucket=self.name)
        for key, body in PAGES.items():
            owner.put_object(Bucket=self.name, Key=key, Body=body, ContentType="text/html")
        publish(owner, self.name)
        self.configure(**configuration)

    def configure(self, **configuration):
        self.owner.put_bucket_website(
            Bucket=self.name, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}} | configuration
        )

    @property
    def host(self):
        return f"{self.name}.{DOMAIN}"

    def get(self, path, query="", method="GET", headers=None, host=None):
        raw = RawS3(self.port, None)
        return raw.send(method, path, query, {"Host": host or f"{self.host}:{self.port}", **(headers or {})}, None)


@pytest.fixture(scope="module")
def site(web, owner):
    """A website without an error document. Do not change it."""
    return Site(web, owner)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", b"<h1>home</h1>"),
        ("/index.html", b"<h1>home</h1>"),
        ("/docs/", b"docs"),
        ("/docs/index.html", b"docs"),
        ("/docs/a%20b%26c.html", b"odd"),
        ("/docs/a%20b&c.html", b"odd"),
        ("/plain", b"plain"),
        ("/empty", b""),
    ],
)
def test_pages(site, path, body):
    answer = site.get(path)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, body, "text/html")
    assert "x-amz-error-code" not in answer.headers
    head = site.get(path, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(body)))


def test_the_query_is_not_looked_at(site):
    for query in ("x=1", "acl", "response-content-type=text/plain", "versionId=x", "list-type=2"):
        answer = site.get("/plain", query)
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"plain", "text/html")


def test_ranges_and_conditions(site):
    answer = site.get("/plain", headers={"Range": "bytes=1-2"})
    assert (answer.status, answer.body, answer.headers["content-range"]) == (206, b"la", "bytes 1-2/5")
    etag = site.get("/plain").headers["etag"]
    answer = site.get("/plain", headers={"If-None-Match": etag})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", etag)
    assert site.get("/plain", headers={"If-Match": '"x"'}).status == 412
    assert site.get("/plain", headers={"Range": "bytes=9-"}).status == 416


def fields(answer):
    """Of a page of an error; the title must be its status."""
    text = answer.body.decode()
    title = re.fullmatch(r"<html>\n<head><title>(.*)</title></head>\n<body>\n<h1>(.*)</h1>\n<ul>\n(.*)</html>\n", text, re.DOTALL)
    assert title is not None, text
    assert title[1] == title[2]
    assert title[1].startswith(f"{answer.status} ")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    first = title[3].partition("</ul>")[0]
    return dict(re.findall("<li>(.*?): (.*?)</li>", first))


def test_a_page_that_is_not_there(site):
    answer = site.get("/no/such<page>")
    assert answer.status == 404
    found = fields(answer)
    assert list(found) == ["Code", "Message", "Key", "RequestId", "HostId"]
    assert (found["Code"], found["Key"]) == ("NoSuchKey", "no/such&lt;page&gt;")
    assert found["RequestId"] == answer.headers["x-amz-request-id"]
    assert answer.headers["x-amz-error-code"] == "NoSuchKey"
    assert answer.headers["x-amz-error-message"] == "The specified key does not exist."
    assert answer.headers["x-amz-error-detail-key"] == "no/such<page>"
    assert fields(site.get("/nowhere/"))["Key"] == "nowhere/index.html"
    head = site.get("/no/such<page>", method="HEAD")
    assert (head.status, head.body, head.headers["x-amz-error-code"]) == (404, b"", "NoSuchKey")


@pytest.mark.parametrize("path", ["/private/page", "/private/none", "/private/", "/private"])
def test_what_nobody_may_read(site, path):
    """Not even whether it is there. ``private`` itself is: a redirect to it would tell of its index."""
    answer = site.get(path)
    if path == "/private":
        assert (answer.status, fields(answer)["Code"]) == (404, "NoSuchKey")
    else:
        assert (answer.status, fields(answer)["Code"]) == (403, "AccessDenied")
    assert b"secret" not in answer.body


def test_who_may_list_is_told_what_is_not_there(web, owner):
    made = Site(web, owner)
    publish(owner, made.name, ("s3:ListBucket",))
    assert made.get("/none").status == 404
    assert made.get("/plain").status == 403


def test_a_directory_without_its_slash(site):
    answer = site.get("/docs")
    assert (answer.status, answer.headers["location"]) == (302, "/docs/")
    assert fields(answer) | {"RequestId": "", "HostId": ""} == {
        "Code": "Found",
        "Message": "Resource Found",
        "RequestId": "",
        "HostId": "",
    }
    assert answer.headers["x-amz-error-code"] == "Found"
    assert site.get("/docs", "a=1").headers["location"] == "/docs/?a=1"
    head = site.get("/docs", method="HEAD")
    assert (head.status, head.headers["location"], head.body) == (302, "/docs/", b"")
    assert site.get("/dir").status == 404  # a marker is no page
    assert site.get("/dir/").status == 404
    assert site.get("/plain/").status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_nothing_is_changed_on_this_host(site, method):
    answer = site.get("/plain", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert fields(answer)["Code"] == "MethodNotAllowed"
    assert site.get("/plain").body == b"plain"


def test_no_website(web, owner, site):
    answer = site.get("/", host=f"no-such-bucket-of-all.{DOMAIN}")
    assert (answer.status, fields(answer)["Code"], fields(answer)["BucketName"]) == (404, "NoSuchBucket", "no-such-bucket-of-all")
    name = f"no-{next(_NUMBERS)}-site"
    owner.create_bucket(Bucket=name)
    answer = site.get("/", host=f"{name}.{DOMAIN}")
    assert (answer.status, fields(answer)["Code"]) == (404, "NoSuchWebsiteConfiguration")
    assert fields(answer)["BucketName"] == name


def test_paths_that_are_no_keys(site):
    assert site.get("/%FF").status == 400
    assert site.get("/" + "x" * 1025).status == 400


# -- error documents ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sorry(web, owner):
    """A website with an error document."""
    return Site(web, owner, ErrorDocument={"Key": "errors/404.html"})


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/none", 404, "NoSuchKey"), ("/none/", 404, "NoSuchKey"), ("/private/page", 403, "AccessDenied")],
)
def test_the_error_document(sorry, path, status, code):
    answer = sorry.get(path, headers={"Range": "bytes=0-3", "If-None-Match": "*"})
    assert (answer.status, answer.body) == (status, b"not here, sorry")
    assert (answer.headers["content-type"], answer.headers["x-amz-error-code"]) == ("text/html", code)
    head = sorry.get(path, method="HEAD")
    assert (head.status, head.body, head.headers["x-amz-error-code"]) == (status, b"", code)


@pytest.mark.parametrize(
    ("key", "told"), [("errors/none.html", "NoSuchKey"), ("private/page", "AccessDenied")]
)
def test_an_error_document_that_cannot_be_read(web, owner, key, told):
    made = Site(web, owner, ErrorDocument={"Key": key})
    answer = made.get("/none")
    assert (answer.status, fields(answer)["Code"]) == (404, "NoSuchKey")
    text = answer.body.decode()
    second = text.partition("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n")[2]
    assert second.startswith(f"<li>Code: {told}</li>\n<li>Message: ")
    assert f"<li>Key: {key}</li>" in second


# -- redirects ---------------------------------------------------------------------------------------------------------------


def test_everything_is_redirected(web, owner):
    made = Site(web, owner)
    everything = {"RedirectAllRequestsTo": {"HostName": "www.example.com"}}
    owner.put_bucket_website(Bucket=made.name, WebsiteConfiguration=everything)
    answer = made.get("/docs/a%20b", "x=1&y=%2F")
    assert (answer.status, answer.body) == (301, b"")
    assert answer.headers["location"] == "http://www.example.com/docs/a%20b?x=1&y=%2F"
    everything["RedirectAllRequestsTo"]["Protocol"] = "https"
    owner.put_bucket_website(Bucket=made.name, WebsiteConfiguration=everything)
    assert made.get("/", method="HEAD").headers["location"] == "https://www.example.com/"


RULES = [
    {"Condition": {"KeyPrefixEquals": "old/"}, "Redirect": {"ReplaceKeyPrefixWith": "docs/"}},
    {"Condition": {"KeyPrefixEquals": "plain"}, "Redirect": {"ReplaceKeyWith": "index.html", "HttpRedirectCode": "307"}},
    {"Condition": {"KeyPrefixEquals": "away/"}, "Redirect": {"HostName": "other.example", "Protocol": "https"}},
    {
        "Condition": {"KeyPrefixEquals": "gone/", "HttpErrorCodeReturnedEquals": "404"},
        "Redirect": {"ReplaceKeyWith": "gone.html"},
    },
    {"Condition": {"HttpErrorCodeReturnedEquals": "403"}, "Redirect": {"ReplaceKeyWith": "login", "HttpRedirectCode": "302"}},
]


@pytest.fixture(scope="module")
def routed(web, owner):
    """A website with rules and an error document."""
    return Site(web, owner, RoutingRules=RULES, ErrorDocument={"Key": "errors/404.html"})


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        ("/old/index.html", 301, "http://{host}/docs/index.html"),
        ("/old/a%20b", 301, "http://{host}/docs/a%20b"),
        ("/plain", 307, "http://{host}/index.html"),  # before the object, which is there
        ("/away/x", 301, "https://other.example/away/x"),
        ("/gone/x", 301, "http://{host}/gone.html"),
        ("/private/page", 302, "http://{host}/login"),
        ("/none", 404, None),  # the error document
        ("/old", 404, None),
        ("/", 200, None),
    ],
)
def test_routing_rules(routed, path, status, location):
    answer = routed.get(path)
    assert answer.status == status
    expected = location.format(host=f"{routed.host}:{routed.port}") if location is not None else None
    assert answer.headers.get("location") == expected
    if location is not None:
        assert answer.body == b""


def test_the_query_is_kept(routed):
    location = routed.get("/old/x", "a=1&b=2").headers["location"]
    assert location == f"http://{routed.host}:{routed.port}/docs/x?a=1&b=2"


@pytest.mark.parametrize("location", ["/docs/index.html", "https://example.com/x?y=1"])
def test_a_redirect_of_one_object(web, owner, location):
    made = Site(web, owner)
    owner.put_object(Bucket=made.name, Key="moved", Body=b"old bytes", WebsiteRedirectLocation=location)
    for method in ("GET", "HEAD"):
        answer = made.get("/moved", method=method)
        assert (answer.status, answer.headers["location"], answer.body) == (301, location, b"")
    assert owner.get_object(Bucket=made.name, Key="moved")["Body"].read() == b"old bytes"  # not on the other host


def test_a_redirect_of_an_index(web, owner):
    made = Site(web, owner)
    owner.put_object(Bucket=made.name, Key="docs/index.html", Body=b"", WebsiteRedirectLocation="/elsewhere")
    assert made.get("/docs/").headers["location"] == "/elsewhere"


def test_the_current_version(web, owner):
    made = Site(web, owner)
    owner.put_bucket_versioning(Bucket=made.name, VersioningConfiguration={"Status": "Enabled"})
    owner.put_object(Bucket=made.name, Key="plain", Body=b"newer")
    assert made.get("/plain").body == b"newer"
    owner.delete_object(Bucket=made.name, Key="plain")
    answer = made.get("/plain")
    assert (answer.status, fields(answer)["Code"]) == (404, "NoSuchKey")


def test_cross_origin(web, owner):
    made = Site(web, owner)
    rules = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
    owner.put_bucket_cors(Bucket=made.name, CORSConfiguration=rules)
    for path, status in (("/plain", 200), ("/none", 404), ("/docs", 302)):
        answer = made.get(path, headers={"Origin": "http://a"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "*")
    asked = {"Origin": "http://a", "Access-Control-Request-Method": "GET"}
    assert made.get("/plain", method="OPTIONS", headers=asked).status == 200


def test_requesters_that_pay_are_not_everybody(web, owner):
    made = Site(web, owner)
    owner.put_bucket_request_payment(Bucket=made.name, RequestPaymentConfiguration={"Payer": "Requester"})
    assert made.get("/plain").status == 403


def test_a_big_page(web, owner):
    made = Site(web, owner)
    body = bytes(range(256)) * 20_000
    owner.put_object(Bucket=made.name, Key="big", Body=body)
    assert made.get("/big").body == body
    owner.put_object(Bucket=made.name, Key="e", Body=body)
    made.configure(ErrorDocument={"Key": "e"})
    answer = made.get("/none")
    assert (answer.status, answer.body) == (404, body)
