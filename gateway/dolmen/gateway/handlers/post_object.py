"""PostObject: an upload by a browser's form, allowed by a signed policy or by the bucket for everybody.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote, urlsplit

from dolmen.gateway.auth.post_policy import (
    LENGTH_MAX,
    check_key_field,
    check_post_policy,
    claim_form,
    parse_post_policy,
    verify_form,
)
from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.auth.sigv4 import Signed
from dolmen.gateway.handlers.attributes import check_tags, tags_of
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.new_object import describe
from dolmen.gateway.handlers.object_write import store_version
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.form import FormFile, FormReader
from dolmen.gateway.http.request import Headers, Request
from dolmen.gateway.metadata.records import NewVersion
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import Tagging
from dolmen.gateway.s3.names import check_key, host_bucket
from dolmen.gateway.s3.render import Response, escape, header_bytes
from dolmen.gateway.s3.xml_in import parse_document, structure_reader
from dolmen.gateway.services import Services

# Fields that say of the object what headers say to PutObject; all others are for the policy alone.
_AS_HEADERS = frozenset(
    {
        "cache-control",
        "content-type",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "expires",
        "x-amz-acl",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
    }
)
_AS_HEADERS_BEGIN = (
    "x-amz-meta-",
    "x-amz-server-side-encryption",
    "x-amz-object-lock-",
    "x-amz-checksum-",
    "x-amz-grant-",
)
_FILE_NAME = "${filename}"
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_STATUSES = {"200": 200, "201": 201}  # of success_action_status; 204 otherwise, whatever it says
_read_tagging = structure_reader("Tagging")


class FormDoor(Protocol):
    """What the front door does for a form: it knows keys, buckets and permissions."""

    async def find_secret(self, access_key_id: str, security_token: str) -> tuple[str, Principal]:
        """Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""

    async def admit(
        self,
        principal: Principal | None,
        signed: Signed | None,
        key: bytes,
        headers: Mapping[str, str],
        tags: Mapping[str, str],
        body: Body,
    ) -> Call:
        """The call of an allowed upload. Raises NoSuchBucket, AccessDenied."""


async def serve(services: Services, request: Request, bucket_name: str, door: FormDoor) -> Response:
    """The whole of one form. Raises what its parts raise; nothing is visible of an upload that was refused."""
    form = FormReader(request)
    await form.read_fields()
    fields = form.fields
    check_key_field(fields)
    fields["key"] = fields["key"].replace(_FILE_NAME, form.file_name or "")
    now_us = services.clock.now_us()
    claim = claim_form(fields, now_us, services.region, sigv2=services.sigv2)
    signed: Signed | None = None
    principal: Principal | None = None
    bytes_min, bytes_max = 0, LENGTH_MAX
    if claim is not None:
        secret, principal = await door.find_secret(claim.access_key_id, claim.security_token)
        signed = verify_form(claim, secret)
        policy = parse_post_policy(claim.policy)
        check_post_policy(policy, fields, bucket_name, now_us)
        bytes_min, bytes_max = policy.bytes_min, policy.bytes_max
    key = check_key(fields["key"].encode())
    headers = _headers_of(fields)
    tags = _tags_of(fields, headers)
    body = FormFile(form, headers, bytes_min, bytes_max)
    call = await door.admit(principal, signed, key, headers, tags, body)
    if tags:
        await call.require("s3:PutObjectTagging", new_object=True)
    version, answer = await _store(call, headers, tags)
    return _answer(call, fields, version.etag, answer)


def _headers_of(fields: Mapping[str, str]) -> dict[str, str]:
    """The headers that PutObject would have got. Raises InvalidArgument for what no header could hold."""
    headers = {}
    for name, value in fields.items():
        if name == "acl":
            name = "x-amz-acl"
        if name not in _AS_HEADERS and not name.startswith(_AS_HEADERS_BEGIN):
            continue
        if _CONTROLS.search(value) or _CONTROLS.search(name):  # it must not come out again as another header
            raise S3Fault("InvalidArgument", fields=(("ArgumentName", name), ("ArgumentValue", value)))
        headers[name] = value.strip()
    algorithm = headers.pop("x-amz-checksum-algorithm", "")
    if algorithm:
        headers["x-amz-sdk-checksum-algorithm"] = algorithm
    return headers


def _tags_of(fields: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Of the field ``tagging``, the XML of PutObjectTagging. Raises MalformedXML, InvalidTag, BadRequest."""
    text = fields.get("tagging")
    if text is None:
        return tags_of(headers)
    document = _read_tagging(parse_document(text.encode(), "Tagging"))
    assert isinstance(document, Tagging)
    return check_tags([(tag.key or "", tag.value or "") for tag in document.tag_set or []])


async def _store(call: Call, headers: Mapping[str, str], tags: dict[str, str]) -> tuple[NewVersion, Headers]:
    """As PutObject, with the tags of the form."""
    described = await describe(call, headers, tags=tags)
    return await store_version(call, described, headers, "ObjectCreated:Post", length_is_known=False)


def _answer(call: Call, fields: Mapping[str, str], etag: str, headers: Headers) -> Response:
    target = _redirect(fields, call, etag)
    if target is not None:
        return Response(303, [*headers, (b"location", header_bytes(target))], b"")
    location = _location(call)
    headers = [*headers, (b"location", header_bytes(location))]
    status = _STATUSES.get(fields.get("success_action_status", ""), 204)
    if status != 201:
        return Response(status, headers, b"")
    elements = (("Location", location), ("Bucket", call.bucket_name), ("Key", call.key_text), ("ETag", f'"{etag}"'))
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inner}</PostResponse>'  # S3 gives it no namespace
    return Response(201, [(b"content-type", b"application/xml"), *headers], body.encode())


def _redirect(fields: Mapping[str, str], call: Call, etag: str) -> str | None:
    """Where the browser goes next, told what was stored; None without an address, or with one that is none (as S3 has it)."""
    target = fields.get("success_action_redirect") or fields.get("redirect")
    if not target or _CONTROLS.search(target):
        return None
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    told = f"bucket={quote(call.bucket_name, safe='')}&key={quote(call.key, safe='')}&etag=%22{etag}%22"
    return parts._replace(query=f"{parts.query}&{told}" if parts.query else told).geturl()


def _location(call: Call) -> str:
    """The address of the object, in the style of the request; S3 encodes the key as a whole."""
    request = call.request
    host = request.headers.get("host", "")
    path = quote(call.key, safe="~")
    if host_bucket(host, call.services.domains) is None:
        path = f"{call.bucket_name}/{path}"
    return f"{'https' if request.secure else 'http'}://{host}/{path}"
