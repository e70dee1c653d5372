"""Condition keys of a request, each evaluated only when a policy asks for it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Self
from urllib.parse import parse_qsl

from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import FEDERATED, ROLE, USER, Principal
from dolmen.gateway.s3.copy_source import parse_source
from dolmen.gateway.s3.dates import iso_date
from dolmen.gateway.s3.fault import S3Fault

Found = tuple[str, ...] | None

_DAY_SECONDS = 86_400
_TAGS_MAX = 50  # S3's limit of tags on a bucket; whoever stores them refuses more
_NO_TAGS: Mapping[str, str] = {}


class Context:
    """Condition key (lower case; the name of a tag as it is) to its values, None when the request has none."""

    __slots__ = ("_facts", "_principal", "_resource_account", "_resource_tags", "_tags", "_version_id")

    def __init__(
        self, facts: RequestFacts, principal: Principal | None, resource_account: str, version_id: str | None = None
    ) -> None:
        self._facts = facts
        self._principal = principal
        self._resource_account = resource_account
        self._version_id = version_id
        self._tags = _NO_TAGS
        self._resource_tags = _NO_TAGS

    @classmethod
    def of_request(
        cls, facts: RequestFacts, principal: Principal | None, resource_account: str, version_id: str | None = None
    ) -> Self:
        """``resource_account``: of the bucket's owner. ``version_id``: when it is not that of the query (DeleteObjects)."""
        return cls(facts, principal, resource_account, version_id)

    def with_tags(self, of_object: Mapping[str, str], of_bucket: Mapping[str, str]) -> Context:
        """The same request, on an object and a bucket with these tags."""
        if not of_object and not of_bucket:
            return self
        context = Context(self._facts, self._principal, self._resource_account, self._version_id)
        context._tags, context._resource_tags = of_object, of_bucket
        return context

    def get(self, key: str) -> Found:
        """The values of one key."""
        known = _KEYS.get(key)
        if known is not None:
            return known(self)
        found = self._facts.more.get(key)
        if found is not None:
            return found
        head, slash, name = key.partition("/")
        if slash:
            tags = _TAGS.get(head)
            return self._principal_key(key.lower()) if tags is None else _tag(tags(self), name)
        if key.startswith("s3:x-amz-"):
            return _text(self._facts.headers.get(key[3:]))
        return self._principal_key(key)

    def _principal_key(self, key: str) -> Found:
        return None if self._principal is None else self._principal.keys.get(key)

    # -- who -----------------------------------------------------------------------------------------------------------------

    def _principal_arn(self) -> Found:
        principal = self._principal
        if principal is None:
            return None
        return (principal.issuer_arn,) if principal.kind == ROLE and principal.issuer_arn else (principal.arn,)

    def _principal_account(self) -> Found:
        return None if self._principal is None else (self._principal.account.account_id,)

    def _principal_type(self) -> Found:
        kind = "" if self._principal is None else self._principal.kind
        return (_PRINCIPAL_TYPES.get(kind, "Anonymous" if not kind else "Account"),)

    def _user_id(self) -> Found:
        return ("anonymous",) if self._principal is None else (self._principal.user_id,)

    def _user_name(self) -> Found:
        return None if self._principal is None else _text(self._principal.user_name)

    # -- how, whence, when ---------------------------------------------------------------------------------------------------

    def _current_time(self) -> Found:
        return (iso_date(self._facts.now_us),)

    def _signature_age(self) -> Found:
        age_us = self._facts.signature_age_us
        return None if age_us is None else (str(age_us // 1000),)

    def _content_sha256(self) -> Found:
        return _text(self._facts.payload_hash or self._facts.headers.get("x-amz-content-sha256"))

    # -- what ----------------------------------------------------------------------------------------------------------------

    def _version(self) -> Found:
        return _text(self._version_id if self._version_id is not None else self._facts.query.get("versionId"))

    def _query(self, name: str) -> Found:
        """A parameter that came empty is one that came."""
        value = self._facts.query.get(name)
        return None if value is None else (value,)

    def _copy_source(self) -> Found:
        """``bucket/key``, as policies write it; read as CopyObject reads it, or a condition could be led astray."""
        header = self._facts.headers.get("x-amz-copy-source")
        if header is None:
            return None
        try:
            bucket, key, _ = parse_source(header)
        except S3Fault:
            return None
        return (f"{bucket}/{key.decode()}",)

    def _request_tags(self) -> Mapping[str, str]:
        """Of the facts, else of the header; what is no list of tags is refused by whoever stores it."""
        if self._facts.request_tags:
            tags = self._facts.request_tags
            return tags if len(tags) <= _TAGS_MAX else dict(islice(tags.items(), _TAGS_MAX))
        try:
            return dict(parse_qsl(self._facts.headers.get("x-amz-tagging", ""), True, max_num_fields=_TAGS_MAX))
        except ValueError:
            return {}

    def _request_tag_keys(self) -> Found:
        return tuple(self._request_tags()) or None

    def _remaining_days(self) -> Found:
        """Whole days from now to the retain-until date that the request sets."""
        text = self._facts.headers.get("x-amz-object-lock-retain-until-date", "")
        try:
            until = datetime.fromisoformat(text.strip())
            until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
            seconds = until.timestamp() - self._facts.now_us / 1e6
        except (ValueError, OverflowError):
            return None
        return (str(int(seconds // _DAY_SECONDS)),)


_PRINCIPAL_TYPES = {USER: "User", ROLE: "AssumedRole", FEDERATED: "FederatedUser"}


def _text(value: str | None) -> Found:
    return (value,) if value else None


def _bool(value: bool) -> Found:
    return ("true",) if value else ("false",)


def _tag(tags: Mapping[str, str], name: str) -> Found:
    """The tag of this very name; else of those that differ in case only, as keys of conditions know no case."""
    value = tags.get(name)
    if value is not None:
        return (value,)
    folded = name.casefold()
    return tuple(value for key, value in tags.items() if key.casefold() == folded) or None


def _header(name: str) -> Callable[[Context], Found]:
    return lambda context: _text(context._facts.headers.get(name))


_TAGS: dict[str, Callable[[Context], Mapping[str, str]]] = {
    "s3:existingobjecttag": lambda context: context._tags,
    "s3:requestobjecttag": Context._request_tags,
    "aws:requesttag": Context._request_tags,
    "aws:resourcetag": lambda context: context._resource_tags,
    "s3:buckettag": lambda context: context._resource_tags,
}

_KEYS: dict[str, Callable[[Context], Found]] = {
    "aws:currenttime": Context._current_time,
    "aws:epochtime": lambda context: (str(context._facts.now_us // 1_000_000),),
    "aws:principalaccount": Context._principal_account,
    "aws:principalarn": Context._principal_arn,
    "aws:principalisawsservice": lambda context: ("false",),
    "aws:principaltype": Context._principal_type,
    "aws:referer": _header("referer"),
    "aws:resourceaccount": lambda context: _text(context._resource_account),
    "aws:securetransport": lambda context: _bool(context._facts.secure),
    "aws:sourceip": lambda context: _text(context._facts.source_ip),
    "aws:tagkeys": Context._request_tag_keys,
    "aws:useragent": _header("user-agent"),
    "aws:userid": Context._user_id,
    "aws:username": Context._user_name,
    "aws:viaawsservice": lambda context: ("false",),
    "s3:authtype": lambda context: _text(context._facts.auth_type),
    "s3:delimiter": lambda context: context._query("delimiter"),
    "s3:if-match": _header("if-match"),
    "s3:if-none-match": _header("if-none-match"),
    "s3:locationconstraint": lambda context: _text(context._facts.location_constraint),
    "s3:max-keys": lambda context: context._query("max-keys"),
    "s3:object-lock-legal-hold": _header("x-amz-object-lock-legal-hold"),
    "s3:object-lock-mode": _header("x-amz-object-lock-mode"),
    "s3:object-lock-remaining-retention-days": Context._remaining_days,
    "s3:object-lock-retain-until-date": _header("x-amz-object-lock-retain-until-date"),
    "s3:prefix": lambda context: context._query("prefix"),
    "s3:requestobjecttagkeys": Context._request_tag_keys,
    "s3:resourceaccount": lambda context: _text(context._resource_account),
    "s3:signatureage": Context._signature_age,
    "s3:signatureversion": lambda context: _text(context._facts.signature_version),
    "s3:versionid": Context._version,
    "s3:x-amz-content-sha256": Context._content_sha256,
    "s3:x-amz-copy-source": Context._copy_source,
}
