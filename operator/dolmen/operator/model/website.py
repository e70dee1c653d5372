"""A bucket as a static website, named as in S3's API. https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html"""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields

ROUTING_RULES_MAX = 50  # S3's limit
KEY_MAX = 1024
HOST_MAX = 259  # a name and a port
HOST_PATTERN = r"^([A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?)$"

Protocol = Literal["http", "https"]


class IndexDocument(fields.Model, frozen=True, kw_only=True):
    """The page of a directory."""

    suffix: Annotated[str, fields.text("What is put behind the key of a directory.", KEY_MAX, least=1, pattern=r"^[^/]+$")]


class ErrorDocument(fields.Model, frozen=True, kw_only=True):
    """The page of errors."""

    key: Annotated[str, fields.text("Key of the page.", KEY_MAX, least=1)]


class RedirectAll(fields.Model, frozen=True, kw_only=True):
    """Every request goes elsewhere."""

    host_name: Annotated[str, fields.text("Where to.", HOST_MAX, least=1, pattern=HOST_PATTERN)]
    protocol: Annotated[Protocol, fields.doc("That of the request when it is missing.")] | None = None


class RoutingCondition(fields.Model, frozen=True, kw_only=True):
    """Which requests a rule is about: at least one of the two."""

    key_prefix_equals: Annotated[str, fields.text("Keys that begin so.", KEY_MAX)] | None = None
    http_error_code_returned_equals: (
        Annotated[str, fields.text("Answers with this status.", 3, pattern=r"^[45][0-9]{2}$")] | None
    ) = None


class Redirect(fields.Model, frozen=True, kw_only=True):
    """Where a request goes; at least one part."""

    protocol: Annotated[Protocol, fields.doc("That of the request when it is missing.")] | None = None
    host_name: (
        Annotated[str, fields.text("That of the request when it is missing.", HOST_MAX, least=1, pattern=HOST_PATTERN)] | None
    ) = None
    replace_key_prefix_with: Annotated[str, fields.text("In place of keyPrefixEquals.", KEY_MAX)] | None = None
    replace_key_with: Annotated[str, fields.text("In place of the whole key.", KEY_MAX)] | None = None
    http_redirect_code: (
        Annotated[str, fields.text("Status of the answer; 301 when it is missing.", 3, pattern=r"^3(0[1-9]|[1-9][0-9])$")] | None
    ) = None


class RoutingRule(fields.Model, frozen=True, kw_only=True):
    """One redirect."""

    condition: Annotated[RoutingCondition, fields.doc("Which requests; all when it is missing.")] | None = None
    redirect: Annotated[Redirect, fields.doc("Where they go.")]


class Website(fields.Model, frozen=True, kw_only=True):
    """Either pages, or a redirect of everything."""

    index_document: Annotated[IndexDocument, fields.doc("The page of a directory.")] | None = None
    error_document: Annotated[ErrorDocument, fields.doc("The page of errors.")] | None = None
    redirect_all_requests_to: Annotated[RedirectAll, fields.doc("Every request goes elsewhere.")] | None = None
    routing_rules: (
        Annotated[tuple[RoutingRule, ...], fields.listed("Redirects; the first that suits counts.", ROUTING_RULES_MAX, least=1)]
        | None
    ) = None
