"""Websites: which configurations are taken, where requests are sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3 import website
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    Condition,
    ErrorDocument,
    IndexDocument,
    Redirect,
    RedirectAllRequestsTo,
    RoutingRule,
    WebsiteConfiguration,
)

INDEX = IndexDocument(suffix="index.html")
OTHER = Redirect(host_name="other.example")
EVERYTHING = RedirectAllRequestsTo(host_name="other.example")


def site(*rules, **given):
    return WebsiteConfiguration(**({"index_document": INDEX, "routing_rules": list(rules) or None} | given))


def rule(redirect=OTHER, prefix=None, code=None):
    has_condition = prefix is not None or code is not None
    condition = Condition(key_prefix_equals=prefix, http_error_code_returned_equals=code) if has_condition else None
    return RoutingRule(condition=condition, redirect=redirect)


def visit(key="docs/a.html", query="", protocol="http", host="site.example:8080"):
    return website.Visit(key=key, query=query, protocol=protocol, host=host)


@pytest.mark.parametrize(
    "made",
    [
        site(),
        site(error_document=ErrorDocument(key="errors/404.html")),
        site(rule()),
        site(rule(prefix="docs/"), rule(code="404"), rule(prefix="a", code="500")),
        site(rule(prefix="")),
        site(*[rule()] * 50),
        site(rule(Redirect(replace_key_with="x", http_redirect_code="308", protocol="https"))),
        site(rule(Redirect(replace_key_prefix_with=""))),
        WebsiteConfiguration(redirect_all_requests_to=EVERYTHING),
        WebsiteConfiguration(redirect_all_requests_to=RedirectAllRequestsTo(host_name="x", protocol="https")),
    ],
)
def test_taken(made):
    website.check_configuration(made)


PROTOCOL = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
REDIRECT_CODE = "The provided HTTP redirect code ({}) is not valid. Valid codes are 3XX except 300."
ERROR_CODE = "The provided HTTP error code ({}) is not valid. Valid codes are 4XX or 5XX."
NO_INDEX = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
NOT_BOTH = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."


@pytest.mark.parametrize(
    ("made", "code", "message", "argument"),
    [
        (WebsiteConfiguration(), "InvalidArgument", NO_INDEX, ("IndexDocument", "null")),
        (site(index_document=None, error_document=ErrorDocument(key="x")), "InvalidArgument", NO_INDEX, ("IndexDocument", "null")),
        (site(rule(), index_document=None), "InvalidArgument", NO_INDEX, ("IndexDocument", "null")),
        (
            site(index_document=IndexDocument(suffix="a/b.html")),
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            ("IndexDocument", "a/b.html"),
        ),
        (
            site(index_document=IndexDocument(suffix="")),
            "InvalidArgument",
            "The IndexDocument Suffix is not well formed",
            ("IndexDocument", ""),
        ),
        (
            site(error_document=ErrorDocument(key="")),
            "InvalidArgument",
            "The ErrorDocument Key is not well formed",
            ("ErrorDocument", ""),
        ),
        (site(redirect_all_requests_to=EVERYTHING), "InvalidArgument", NOT_BOTH, ("RedirectAllRequestsTo", "not null")),
        (
            site(rule(), index_document=None, redirect_all_requests_to=EVERYTHING),
            "InvalidArgument",
            NOT_BOTH,
            ("RedirectAllRequestsTo", "not null"),
        ),
        (
            WebsiteConfiguration(redirect_all_requests_to=RedirectAllRequestsTo(host_name="")),
            "InvalidRequest",
            'A host name must be provided to redirect all requests (e.g. "example.com").',
            None,
        ),
        (
            WebsiteConfiguration(redirect_all_requests_to=RedirectAllRequestsTo(host_name="x", protocol="ftp")),
            "InvalidRequest",
            PROTOCOL,
            None,
        ),
        (site(routing_rules=[]), "MalformedXML", None, None),
        (
            site(*[rule()] * 51),
            "InvalidRequest",
            "51 routing rules provided, the number of routing rules in a website configuration is limited to 50.",
            None,
        ),
        (site(RoutingRule(condition=None, redirect=None)), "MalformedXML", None, None),
        (
            site(RoutingRule(condition=Condition(), redirect=OTHER)),
            "InvalidRequest",
            "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
            None,
        ),
        (site(rule(code="200")), "InvalidRequest", ERROR_CODE.format("200"), None),
        (site(rule(code="x")), "InvalidRequest", ERROR_CODE.format("x"), None),
        (site(rule(code="4040")), "InvalidRequest", ERROR_CODE.format("4040"), None),
        (site(rule(Redirect(http_redirect_code="300"))), "InvalidRequest", REDIRECT_CODE.format("300"), None),
        (site(rule(Redirect(http_redirect_code="200"))), "InvalidRequest", REDIRECT_CODE.format("200"), None),
        (site(rule(Redirect(http_redirect_code="301 "))), "InvalidRequest", REDIRECT_CODE.format("301 "), None),
        (
            site(rule(Redirect(replace_key_with="a", replace_key_prefix_with="b"))),
            "InvalidRequest",
            "You can only define ReplaceKeyPrefix or ReplaceKey but not both.",
            None,
        ),
        (site(rule(Redirect(protocol="ftp"))), "InvalidRequest", PROTOCOL, None),
        (site(rule(Redirect())), "InvalidRequest", None, None),
        (site(rule(Redirect(host_name=""))), "InvalidRequest", None, None),
        (site(rule(Redirect(replace_key_with="x" * 140_000))), "MaxMessageLengthExceeded", None, None),
    ],
)
def test_refused(made, code, message, argument):
    with pytest.raises(S3Fault) as caught:
        website.check_configuration(made)
    fault = caught.value
    assert (fault.status, fault.code) == (400, code)
    assert message is None or fault.message == message
    if argument is not None:
        assert fault.fields == (("ArgumentName", argument[0]), ("ArgumentValue", argument[1]))


# -- requests ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "read", "directory"),
    [
        ("", "index.html", None),
        ("a", "a", "a/index.html"),
        ("a/", "a/index.html", None),
        ("a/b", "a/b", "a/b/index.html"),
        ("a/b/", "a/b/index.html", None),
        ("/", "/index.html", None),
        ("index.html", "index.html", "index.html/index.html"),
        ("a//", "a//index.html", None),
    ],
)
def test_index_documents(key, read, directory):
    assert website.index_key(site(), key) == read
    assert website.directory_key(site(), key) == directory


@pytest.mark.parametrize(
    ("made", "asked", "target"),
    [
        (EVERYTHING, visit(), "http://other.example/docs/a.html"),
        (EVERYTHING, visit(""), "http://other.example/"),
        (EVERYTHING, visit(protocol="https"), "https://other.example/docs/a.html"),
        (RedirectAllRequestsTo(host_name="x", protocol="https"), visit(query="a=1&b=%20"), "https://x/docs/a.html?a=1&b=%20"),
        (EVERYTHING, visit("ä b\r\n"), "http://other.example/%C3%A4%20b%0D%0A"),
    ],
)
def test_everything_is_redirected(made, asked, target):
    found = website.redirect_of_request(WebsiteConfiguration(redirect_all_requests_to=made), asked)
    assert found == website.Location(301, target)


@pytest.mark.parametrize(
    ("made", "key", "status", "target"),
    [
        (rule(), "docs/a.html", 301, "http://other.example/docs/a.html"),
        (rule(prefix="docs/"), "docs/a.html", 301, "http://other.example/docs/a.html"),
        (rule(prefix="docs/"), "doc", None, None),
        (rule(Redirect(replace_key_prefix_with="documents/"), "docs/"), "docs/a.html", 301, "http://site.example:8080/documents/a.html"),
        (rule(Redirect(replace_key_prefix_with=""), "docs/"), "docs/a.html", 301, "http://site.example:8080/a.html"),
        (rule(Redirect(replace_key_prefix_with="x/")), "docs/a.html", 301, "http://site.example:8080/x/docs/a.html"),
        (rule(Redirect(replace_key_with="gone.html"), "docs/"), "docs/a/b", 301, "http://site.example:8080/gone.html"),
        (rule(Redirect(replace_key_with="")), "docs/a/b", 301, "http://site.example:8080/"),
        (rule(Redirect(http_redirect_code="302", protocol="https")), "a", 302, "https://site.example:8080/a"),
        (rule(Redirect(host_name="x", replace_key_with="a b?c#d")), "a", 301, "http://x/a%20b%3Fc%23d"),
        (rule(code="404"), "docs/a.html", None, None),
        (rule(prefix="docs/", code="404"), "docs/a.html", None, None),
    ],
)
def test_rules_before_the_bucket_is_read(made, key, status, target):
    found = website.redirect_of_request(site(made), visit(key))
    assert found == (website.Location(status, target) if target is not None else None)


@pytest.mark.parametrize(
    ("made", "status", "target"),
    [
        (rule(code="404"), 404, "http://other.example/docs/a.html"),
        (rule(code="404"), 403, None),
        (rule(prefix="docs/", code="404"), 404, "http://other.example/docs/a.html"),
        (rule(prefix="other/", code="404"), 404, None),
        (rule(Redirect(replace_key_prefix_with="report-404/"), code="404"), 404, "http://site.example:8080/report-404/docs/a.html"),
        (rule(), 404, None),  # was asked before
        (rule(prefix="docs/"), 404, None),
    ],
)
def test_rules_after_an_error(made, status, target):
    found = website.redirect_of_error(site(made), visit(), status)
    assert found == (website.Location(301, target) if target is not None else None)


def test_the_first_rule_that_matches():
    made = site(rule(prefix="no/"), rule(Redirect(host_name="a"), "docs/"), rule(Redirect(host_name="b"), "docs/"))
    assert website.redirect_of_request(made, visit()).target == "http://a/docs/a.html"


@pytest.mark.parametrize(
    ("asked", "target"),
    [
        (visit("a"), "/a/"),
        (visit("a/b", query="x=1"), "/a/b/?x=1"),
        (visit("ä b"), "/%C3%A4%20b/"),
        (visit("/evil.example"), "http://site.example:8080//evil.example/"),
        (visit("/evil.example", host="bad host"), "http://localhost//evil.example/"),
    ],
)
def test_directories(asked, target):
    assert website.redirect_of_directory(asked) == website.Location(302, target)


@given(st.text(), st.text(), st.text())
def test_a_location_is_one_line_of_ascii(key, host, replacement):
    asked = visit(key, host=host)
    for found in (
        website.redirect_of_directory(asked),
        website.redirect_of_request(site(rule(Redirect(replace_key_prefix_with=replacement))), asked),
        website.redirect_of_request(site(rule(Redirect(host_name=host or "x"))), asked),
    ):
        assert found.target.isascii() and found.target.isprintable() and " " not in found.target
        assert not found.target.startswith("//")


def test_error_pages():
    page = website.error_page(404, [("Code", "NoSuchKey"), ("Key", "<script>&")]).decode()
    assert page == (
        "<html>\n<head><title>404 Not Found</title></head>\n<body>\n<h1>404 Not Found</h1>\n<ul>\n<li>Code: NoSuchKey</li>\n"
        "<li>Key: &lt;script&gt;&amp;</li>\n</ul>\n<hr/>\n</body>\n</html>\n"
    )
    page = website.error_page(403, [("Code", "AccessDenied")], [("Code", "NoSuchKey"), ("Key", "e.html")]).decode()
    assert "<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n<li>Code: NoSuchKey</li>" in page
    assert website.reason(302) == "Found"
    assert website.reason(599) == "Error"
