"""What the front door knows of a request when it asks for permission: the source of every condition key. Plain values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class RequestFacts(msgspec.Struct, frozen=True):
    """``headers`` and ``query``: those that were signed, or came with an anonymous request; names of headers are lower-case."""

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    source_ip: str
    secure: bool
    now_us: int
    auth_type: str = ""  # "REST-HEADER", "REST-QUERY-STRING", "POST"; "" of anonymous requests
    signature_version: str = ""  # "AWS4-HMAC-SHA256" or "AWS"
    signature_age_us: int | None = None
    payload_hash: str = ""
    request_tags: Mapping[str, str] = {}  # of x-amz-tagging or of a tagging document
    location_constraint: str = ""
    more: Mapping[str, tuple[str, ...]] = {}  # further condition keys, lower case: s3:tlsversion ...
