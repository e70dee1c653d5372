"""Websites: the configuration of a bucket, and its pages on a host of their own.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteEndpoints.html

A website's host answers GET and HEAD of anybody, and tells errors in HTML. ``s3.website`` decides, this module reads.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

import msgspec

from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import ANONYMOUS
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.handlers.object_read import get_object, head_object
from dolmen.gateway.handlers.payment import NAME as REQUEST_PAYMENT
from dolmen.gateway.http.request import Headers, Request
from dolmen.gateway.http.send import HOST_ID, Streamed
from dolmen.gateway.metadata.records import BucketRecord, VersionRecord
from dolmen.gateway.s3 import website
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteBucketWebsiteInput,
    GetBucketWebsiteInput,
    GetObjectInput,
    HeadObjectInput,
    PutBucketWebsiteInput,
    WebsiteConfiguration,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketWebsiteOutput
from dolmen.gateway.s3.names import check_key
from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.render import Response, header_bytes, render
from dolmen.gateway.services import Services

NAME = "website"
_HTML = (b"content-type", b"text/html; charset=utf-8")
_OF_THE_OBJECT = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


async def put_bucket_website(call: Call, given: PutBucketWebsiteInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html"""
    configuration = given.website_configuration
    if configuration is None:
        raise S3Fault("MalformedXML")
    website.check_configuration(configuration)
    await save(call, NAME, configuration)
    return Response(200, [], b"")


async def get_bucket_website(call: Call, given: GetBucketWebsiteInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketWebsite.html"""
    found = load(call.bucket, NAME, WebsiteConfiguration)
    if found is None:
        raise S3Fault("NoSuchWebsiteConfiguration", fields=(("BucketName", call.bucket_name),))
    return render(
        call.operation,
        GetBucketWebsiteOutput(
            redirect_all_requests_to=found.redirect_all_requests_to,
            index_document=found.index_document,
            error_document=found.error_document,
            routing_rules=found.routing_rules,
        ),
    )


async def delete_bucket_website(call: Call, given: DeleteBucketWebsiteInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketWebsite.html"""
    if NAME in call.bucket.config:
        await save(call, NAME, None)
    return Response(204, [], b"")


HANDLERS: dict[str, Handler] = {
    "PutBucketWebsite": put_bucket_website,
    "GetBucketWebsite": get_bucket_website,
    "DeleteBucketWebsite": delete_bucket_website,
}


# -- pages -------------------------------------------------------------------------------------------------------------------

Answer = Response | Streamed


async def serve(
    services: Services, request: Request, facts: RequestFacts, bucket_name: str, bucket: BucketRecord | None
) -> Answer:
    """The answer to a request on a website's host. ``facts``: of an anonymous request. Never raises an ``S3Fault``.

    ``bucket``: None when there is none of the name.
    """
    site: _Site | None = None
    try:
        if request.method not in ("GET", "HEAD"):
            fields = (("Method", request.method), ("ResourceType", "OBJECT"))
            raise S3Fault("MethodNotAllowed", fields=fields, headers=(("allow", "GET, HEAD"),))
        if bucket is None:
            raise S3Fault("NoSuchBucket", fields=(("BucketName", bucket_name),))
        configuration = load(bucket, NAME, WebsiteConfiguration)
        if configuration is None:
            raise S3Fault("NoSuchWebsiteConfiguration", fields=(("BucketName", bucket_name),))
        site = _Site(services, request, facts, bucket_name, bucket, configuration, _visit(request))
        return await site.answer()
    except S3Fault as fault:
        return _not_modified(fault) if fault.status == 304 else await _failed(site, request, fault)


def _visit(request: Request) -> website.Visit:
    raw = unquote_to_bytes(request.raw_path.removeprefix(b"/"))
    key = check_key(raw).decode() if raw else ""
    protocol = "https" if request.secure else "http"
    return website.Visit(
        key=key, query=request.raw_query.decode("latin-1"), protocol=protocol, host=request.headers.get("host", "")
    )


class _Site(msgspec.Struct, frozen=True):
    """One request for a page of a configured website."""

    services: Services
    request: Request
    facts: RequestFacts
    bucket_name: str
    bucket: BucketRecord
    configuration: WebsiteConfiguration
    visit: website.Visit

    async def answer(self) -> Answer:
        """Raises the ``S3Fault`` that no rule and no directory turns into a redirect."""
        configuration, visit = self.configuration, self.visit
        location = website.redirect_of_request(configuration, visit)
        if location is not None:
            return _redirect(location)
        try:
            return await self._page(website.index_key(configuration, visit.key))
        except S3Fault as fault:
            directory = website.directory_key(configuration, visit.key)
            if fault.status in (403, 404) and directory is not None and await self._is_readable(directory):
                return _found(self.request, website.redirect_of_directory(visit))
            location = website.redirect_of_error(configuration, visit, fault.status)
            if location is not None:
                return _redirect(location)
            raise

    async def _page(self, key: str) -> Answer:
        record = await self._readable(key)
        if record.attributes.website_redirect:
            return _redirect(website.Location(301, record.attributes.website_redirect))
        return await self.read(key)

    async def read(self, key: str) -> Answer:
        """The object as GetObject or HeadObject answers it."""
        wanted = self.request.headers.get("range")
        if self.request.method == "HEAD":
            return await head_object(
                self._call("HeadObject", key), HeadObjectInput(bucket=self.bucket_name, key=key, range=wanted)
            )
        return await get_object(self._call("GetObject", key), GetObjectInput(bucket=self.bucket_name, key=key, range=wanted))

    async def error_document(self, key: str, status: int) -> Answer:
        """With the error's status; ranges and conditions were about the page that is not there."""
        await self._readable(key)
        for name in _OF_THE_OBJECT:
            self.request.headers.pop(name, None)
        answer = await self.read(key)
        answer.status = status
        return answer

    async def _readable(self, key: str) -> VersionRecord:
        """The object if everybody may read it. Raises AccessDenied, NoSuchKey.

        A key that nobody has is told to those who could read it, and to those who could list it: everybody else is refused.
        """
        raw = check_key(key.encode("utf-8", "surrogateescape"))
        if REQUEST_PAYMENT in self.bucket.config:  # and nobody in particular cannot pay
            raise S3Fault("AccessDenied")
        allowed = await self._allows("s3:GetObject", raw)
        record = await self.services.store.get_version(self.bucket.bucket_id, raw)
        if record is None or record.is_delete_marker:
            if not allowed and not await self._allows("s3:ListBucket", None):
                raise S3Fault("AccessDenied")
            raise S3Fault("NoSuchKey", fields=(("Key", key),))
        if not allowed:
            raise S3Fault("AccessDenied")
        return record

    async def _is_readable(self, key: str) -> bool:
        try:
            await self._readable(key)
        except S3Fault:
            return False
        return True

    async def _allows(self, action: str, key: bytes | None) -> bool:
        return (await self.services.permissions.decide(None, action, self.facts, self.bucket, key)).allowed

    def _call(self, operation: str, key: str) -> Call:
        return Call(
            services=self.services,
            request=self.request,
            operation=OPERATIONS[operation],
            account=ANONYMOUS,
            principal=None,
            facts=self.facts,
            bucket_name=self.bucket_name,
            key=key.encode(),
            found_bucket=self.bucket,
        )


def _redirect(location: website.Location) -> Response:
    return Response(location.status, [(b"location", header_bytes(location.target))], b"")


def _found(request: Request, location: website.Location) -> Response:
    """S3 tells this one with a page, as if it were an error."""
    told: Headers = [(b"x-amz-error-code", b"Found"), (b"x-amz-error-message", b"Resource Found")]
    fields = [("Code", "Found"), ("Message", "Resource Found"), *_ids(request)]
    headers = [(b"location", header_bytes(location.target)), _HTML, *told]
    return Response(location.status, headers, website.error_page(location.status, fields))


def _not_modified(fault: S3Fault) -> Response:
    return Response(304, [(name.encode(), header_bytes(text)) for name, text in fault.headers], b"")


async def _failed(site: _Site | None, request: Request, fault: S3Fault) -> Answer:
    """The error document, or S3's page of the error. HEAD shows neither."""
    headers = _error_headers(fault)
    key = website.error_key(site.configuration) if site is not None and 400 <= fault.status < 500 else None
    failed_too: S3Fault | None = None
    if site is not None and key is not None and request.method == "GET":
        try:
            answer = await site.error_document(key, fault.status)
        except S3Fault as second:
            failed_too = second
        else:
            answer.headers.extend(headers)
            return answer
    why = None
    if failed_too is not None:
        why = [("Code", failed_too.code), ("Message", failed_too.message), *(failed_too.fields or (("Key", key or ""),))]
    fields = [("Code", fault.code), ("Message", fault.message), *fault.fields, *_ids(request)]
    return Response(fault.status, [_HTML, *headers], website.error_page(fault.status, fields, why))


def _error_headers(fault: S3Fault) -> Headers:
    headers = [(b"x-amz-error-code", fault.code.encode()), (b"x-amz-error-message", header_bytes(fault.message))]
    headers += [(b"x-amz-error-detail-" + name.lower().encode(), header_bytes(text)) for name, text in fault.fields]
    return headers + [(name.encode(), header_bytes(text)) for name, text in fault.headers]


def _ids(request: Request) -> list[tuple[str, str]]:
    return [("RequestId", request.request_id), ("HostId", HOST_ID)]
