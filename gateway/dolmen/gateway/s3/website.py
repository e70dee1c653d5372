"""Static websites: which configuration is one, and what a request for a page means. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-to-page-redirect.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/IndexDocumentSupport.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/CustomErrorDocSupport.html

The handler asks in this order: ``redirect_of_request``; reads ``index_key``; when it is not there ``directory_key``, then
``redirect_of_error``, then the error document. Keys are text here: what a browser asks for is UTF-8.
"""

from __future__ import annotations

import re
from html import escape
from http import HTTPStatus
from urllib.parse import quote

import msgspec

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import Redirect, RoutingRule, WebsiteConfiguration

ROUTING_RULES_MAX = 50  # S3's limit
CONFIGURATION_CHARACTERS_MAX = 128 * 1024  # S3's limit on the document; counted on its texts
PROTOCOLS = ("http", "https")

_BAD_PROTOCOL = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
_HOST = re.compile(r"[A-Za-z0-9._\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_PATH_SAFE = "/-_.~!$&'()*+,;=:@"  # of RFC 3986; everything else is percent-encoded, line ends above all


class Location(msgspec.Struct, frozen=True):
    """A redirect: where to, and with which status."""

    status: int
    target: str


# -- a configuration that comes --------------------------------------------------------------------------------------------


def check_configuration(configuration: WebsiteConfiguration) -> None:
    """Raises InvalidArgument, InvalidRequest, MalformedXML."""
    if configuration.redirect_all_requests_to is not None:
        _check_redirect_all(configuration)
        return
    index = configuration.index_document
    if index is None:
        message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"
        raise _argument("IndexDocument", "null", message)
    if not index.suffix or "/" in index.suffix:
        raise _argument("IndexDocument", index.suffix or "", "The IndexDocument Suffix is not well formed")
    if configuration.error_document is not None and not configuration.error_document.key:
        raise _argument("ErrorDocument", "", "The ErrorDocument Key is not well formed")
    rules = configuration.routing_rules
    if rules is not None:
        if not rules:
            raise S3Fault("MalformedXML")
        if len(rules) > ROUTING_RULES_MAX:
            raise _invalid(
                f"{len(rules)} routing rules provided, the number of routing rules in a website configuration is limited to "
                f"{ROUTING_RULES_MAX}."
            )
        for rule in rules:
            _check_rule(rule)
    if _characters(configuration) > CONFIGURATION_CHARACTERS_MAX:
        raise S3Fault("MaxMessageLengthExceeded", fields=(("MaxMessageLengthBytes", str(CONFIGURATION_CHARACTERS_MAX)),))


def _check_redirect_all(configuration: WebsiteConfiguration) -> None:
    target = configuration.redirect_all_requests_to
    assert target is not None
    if configuration.index_document or configuration.error_document or configuration.routing_rules is not None:
        message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
        raise _argument("RedirectAllRequestsTo", "not null", message)
    if not target.host_name:
        raise _invalid('A host name must be provided to redirect all requests (e.g. "example.com").')
    _check_protocol(target.protocol)


def _check_rule(rule: RoutingRule) -> None:
    redirect, condition = rule.redirect, rule.condition
    if redirect is None:
        raise S3Fault("MalformedXML")
    if condition is not None:
        code = condition.http_error_code_returned_equals
        if code is None and condition.key_prefix_equals is None:
            raise _invalid(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element "
                "shouldn't be present."
            )
        if code is not None and not re.fullmatch("[45][0-9]{2}", code, re.ASCII):
            raise _invalid(f"The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.")
    if redirect == Redirect():
        raise _invalid("The Redirect element of a routing rule cannot be empty.")
    if redirect.replace_key_prefix_with is not None and redirect.replace_key_with is not None:
        raise _invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    code = redirect.http_redirect_code
    if code is not None and (not re.fullmatch("3[0-9]{2}", code, re.ASCII) or code == "300"):
        raise _invalid(f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300.")
    if redirect.host_name == "":
        raise _invalid("Invalid hostname. The HostName of a Redirect cannot be empty.")
    _check_protocol(redirect.protocol)


def _check_protocol(protocol: str | None) -> None:
    if protocol is not None and protocol not in PROTOCOLS:
        raise _invalid(_BAD_PROTOCOL)


def _characters(configuration: WebsiteConfiguration) -> int:
    return len(msgspec.json.encode(configuration))


def _argument(name: str, value: str, message: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", value)))


def _invalid(message: str) -> S3Fault:
    return S3Fault("InvalidRequest", message)


# -- a request for a page ----------------------------------------------------------------------------------------------------


class Visit(msgspec.Struct, frozen=True):
    """What a request says of its address. ``key`` is what follows the first slash; ``query`` is raw, without "?"."""

    key: str
    query: str
    protocol: str  # "http", "https"
    host: str  # the Host header


def redirect_of_request(configuration: WebsiteConfiguration, visit: Visit) -> Location | None:
    """The redirect that needs no look at the bucket: of everything, or by a rule without an error code."""
    target = configuration.redirect_all_requests_to
    if target is not None:
        return Location(301, _url(target.protocol or visit.protocol, target.host_name or "", visit.key, visit.query))
    return _by_rules(configuration, visit, None)


def index_key(configuration: WebsiteConfiguration, key: str) -> str:
    """The key to read: the index document of a directory, the key itself otherwise."""
    return key + suffix(configuration) if not key or key.endswith("/") else key


def directory_key(configuration: WebsiteConfiguration, key: str) -> str | None:
    """Where the index document would be if ``key``, which is not there, were a directory; None when it ends like one."""
    return None if not key or key.endswith("/") else f"{key}/{suffix(configuration)}"


def redirect_of_directory(visit: Visit) -> Location:
    """From ``dir`` to ``dir/``. The path alone, as S3 tells it, but where it would read as the name of a host."""
    path = f"/{quote(visit.key, safe=_PATH_SAFE)}/"
    query = f"?{visit.query}" if visit.query else ""
    if path.startswith("//"):
        return Location(302, f"{visit.protocol}://{_host(visit.host)}{path}{query}")
    return Location(302, path + query)


def redirect_of_error(configuration: WebsiteConfiguration, visit: Visit, status: int) -> Location | None:
    """The redirect of a rule for this error, if there is one."""
    return _by_rules(configuration, visit, str(status))


def error_key(configuration: WebsiteConfiguration) -> str | None:
    return configuration.error_document.key if configuration.error_document is not None else None


def suffix(configuration: WebsiteConfiguration) -> str:
    return (configuration.index_document.suffix if configuration.index_document is not None else None) or "index.html"


def _by_rules(configuration: WebsiteConfiguration, visit: Visit, code: str | None) -> Location | None:
    """The first rule that asks for this error code (None: for none) and has a prefix of the key."""
    for rule in configuration.routing_rules or ():
        condition = rule.condition
        wanted = condition.http_error_code_returned_equals if condition is not None else None
        prefix = (condition.key_prefix_equals if condition is not None else None) or ""
        if wanted == code and visit.key.startswith(prefix) and rule.redirect is not None:
            return _follow(rule.redirect, visit, prefix)
    return None


def _follow(redirect: Redirect, visit: Visit, prefix: str) -> Location:
    if redirect.replace_key_with is not None:
        key = redirect.replace_key_with
    elif redirect.replace_key_prefix_with is not None:
        key = redirect.replace_key_prefix_with + visit.key[len(prefix) :]
    else:
        key = visit.key
    host = redirect.host_name or _host(visit.host)
    return Location(int(redirect.http_redirect_code or 301), _url(redirect.protocol or visit.protocol, host, key, visit.query))


def _url(protocol: str, host: str, key: str, query: str) -> str:
    """S3 keeps the query of the request."""
    return f"{protocol}://{_quoted_host(host)}/{quote(key, safe=_PATH_SAFE)}" + (f"?{query}" if query else "")


def _host(text: str) -> str:
    """The Host header, which is repeated in redirects: only what can be one."""
    return text if _HOST.fullmatch(text) else "localhost"


def _quoted_host(text: str) -> str:
    """As it was configured: some put a path behind the host, and S3 lets them."""
    return quote(text, safe=_PATH_SAFE + "[]?%")


# -- pages of our own --------------------------------------------------------------------------------------------------------


def error_page(
    status: int, fields: list[tuple[str, str]], document_fields: list[tuple[str, str]] | None = None
) -> bytes:
    """S3's page of an error: Code, Message and so on, and why the error document is not shown when that failed too."""
    title = f"{status} {reason(status)}"
    parts = [f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n", _list(fields)]
    if document_fields is not None:
        parts += ["<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n", _list(document_fields)]
    parts.append("<hr/>\n</body>\n</html>\n")
    return "".join(parts).encode("utf-8", "replace")


def reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _list(fields: list[tuple[str, str]]) -> str:
    return "<ul>\n" + "".join(f"<li>{escape(name)}: {escape(text)}</li>\n" for name, text in fields) + "</ul>\n"
