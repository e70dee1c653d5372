"""The front door: every request is addressed, authenticated, routed, authorised, handled, answered, counted.

A raw ASGI application. Requests for objects are served right here; Starlette, whose routing costs as much as parsing
HTTP, carries the rest (``rest``).
"""

from __future__ import annotations

import time
from urllib.parse import unquote_to_bytes

from dolmen.core.errors import ClientFault, Corruption, DolmenError, Unavailable
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.access_note import note_request
from dolmen.gateway.admission import OF_BUCKET, OF_ROOT, Admission, Asked
from dolmen.gateway.attempt import Attempt
from dolmen.gateway.auth.sigv4 import Signed
from dolmen.gateway.form_door import FormDoor
from dolmen.gateway.handlers import post_object, website
from dolmen.gateway.handlers.cors import bucket_of_page, preflight, refusal_headers, response_headers
from dolmen.gateway.handlers.payment import charge
from dolmen.gateway.handlers.table import handler_of
from dolmen.gateway.http import metrics
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import ClientGone, Receive, Request, Scope, Send
from dolmen.gateway.http.send import HOST_ID, Streamed, send_response, send_stream
from dolmen.gateway.http.translate import fault_of
from dolmen.gateway.query_door import is_query_request, refusal, serve_query
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import address, check_key, host_bucket
from dolmen.gateway.s3.operations import Operation
from dolmen.gateway.s3.parse import parse_input
from dolmen.gateway.s3.render import Response, render_fault
from dolmen.gateway.s3.route import route
from dolmen.gateway.services import Services

XML_BYTES_MAX = 1 << 20  # no configuration of S3 is larger (a policy has 20 KB at most)
XML_BYTES_MAX_OF = {
    "DeleteObjects": 8 << 20,  # 1,000 keys of 1,024 bytes, each byte up to six characters in XML
    "CompleteMultipartUpload": 4 << 20,  # 10,000 parts with an ETag and a SHA-256 each
}
# Asked by their handlers: key by key, or when the document is read that the permission may depend on.
ASKED_BY_HANDLER = frozenset({"DeleteObjects", "PutObjectTagging", "CreateBucket"})
WEBSITE = "Website"  # in metrics and logs
READS = frozenset({"GetObject", "HeadObject", "GetObjectAttributes", "GetObjectTagging", "GetObjectAcl"})


class FrontDoor:
    """The ASGI application of a gateway."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._admission = Admission(services)
        self._log = get_logger("s3")
        self.rest = self.serve_rest  # replaced by the composition root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        attempt = Attempt(Request(scope, receive), time.perf_counter())
        request = attempt.request
        if self._services.website_domains and await self._serve_website(attempt, send):
            return
        try:
            attempt.bucket, attempt.key = address(
                request.headers.get("host", ""), request.raw_path, self._services.domains
            )
        except S3Fault as fault:
            await self._refuse(attempt, fault, send)
            return
        if attempt.key is not None:
            await self._serve(attempt, send)
        else:
            scope["dolmen.attempt"] = attempt
            await self.rest(scope, receive, send)

    async def _serve_website(self, attempt: Attempt, send: Send) -> bool:
        """True when the request came to the host of a website, and was answered."""
        request = attempt.request
        attempt.bucket = host_bucket(request.headers.get("host", ""), self._services.website_domains)
        if attempt.bucket is None:
            return False
        attempt.is_website, attempt.operation = True, WEBSITE
        raw_key = unquote_to_bytes(request.raw_path.removeprefix(b"/"))
        attempt.key = raw_key or None
        await self._serve(attempt, send)
        return True

    async def serve_rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What Starlette hands over: requests for buckets and for the service."""
        await self._serve(scope["dolmen.attempt"], send)

    async def _serve(self, attempt: Attempt, send: Send) -> None:
        metrics.IN_FLIGHT.inc()
        status = 499  # the client went away, as other servers count it
        try:
            answer = await self._answer(attempt)
            if "origin" in attempt.request.headers:
                answer.headers.extend(response_headers(attempt.found_bucket, attempt.request))
            attempt.answered_seconds, attempt.answer = time.perf_counter(), answer
            status = answer.status
            if isinstance(answer, Streamed):
                await send_stream(send, attempt.request, answer)
            else:
                await send_response(send, attempt.request, answer)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - the last fence: whatever went wrong is answered as S3 answers
            status = await self._failed(attempt, error, send)
        finally:
            metrics.IN_FLIGHT.dec()
            metrics.count(attempt.operation, status, time.perf_counter() - attempt.began_seconds)
            note_request(self._services, attempt, status)

    async def _answer(self, attempt: Attempt) -> Response | Streamed:
        services, request = self._services, attempt.request
        if request.method == "OPTIONS":
            return await self._preflight(attempt)
        if attempt.is_website:
            attempt.found_bucket = await services.store.get_bucket(attempt.bucket or "")
            facts = self._admission.facts(request, None)
            return await website.serve(services, request, facts, attempt.bucket or "", attempt.found_bucket)
        asked = await self._admission.identify(request, OF_ROOT if attempt.bucket is None else OF_BUCKET)
        attempt.principal, attempt.signed = asked.principal, asked.signed
        if request.raw_query:
            request.parse_query()
            if asked.signed is not None and asked.signed.presigned:
                request.take_headers_from_query()
        if asked.body is not None or (attempt.bucket is None and is_query_request(request)):
            attempt.operation = "Query"
            return await serve_query(services, self._admission, request, asked)
        return await self._operate(attempt, asked)

    async def _operate(self, attempt: Attempt, asked: Asked) -> Response | Streamed:
        """One operation of S3."""
        services, request = self._services, attempt.request
        level = "service" if attempt.bucket is None else "bucket" if attempt.key is None else "object"
        operation = route(request.method, level, request.query, request.headers)
        attempt.operation = operation.name
        if attempt.key is not None:
            check_key(attempt.key)
        if operation.name == "PostObject":
            form_door = FormDoor(self._admission, attempt, asked, operation)
            return await post_object.serve(services, request, attempt.bucket or "", form_door)
        call = self._admission.call(request, asked, operation, self._admission.facts(request, asked.signed))
        call.bucket_name, call.key = attempt.bucket or "", attempt.key or b""
        if attempt.bucket is not None and operation.name != "CreateBucket":
            call.found_bucket = attempt.found_bucket = await self._admission.bucket(call.account, attempt.bucket)
        if operation.name not in ASKED_BY_HANDLER:
            await self._admission.authorize(call)
        charged = charge(call, call.found_bucket)
        call.streamed_body, document = await self._read_body(request, operation, asked.signed)
        given = parse_input(
            operation, attempt.bucket or "", attempt.key_text, request.query, request.headers, document
        )
        try:
            answer = await handler_of(operation.name)(call, given)
            answer.headers.extend(charged)
            return answer
        except S3Fault as fault:
            # Whether a key exists is told to those only who may list the bucket.
            if fault.code != "NoSuchKey" or operation.name not in READS:
                raise
            if (await call.allowed("s3:ListBucket", call.bucket)).allowed:
                raise
            raise S3Fault("AccessDenied") from fault

    async def _preflight(self, attempt: Attempt) -> Response:
        attempt.operation = "Preflight"
        bucket = None
        if attempt.bucket is not None:
            bucket = await bucket_of_page(self._services, attempt.bucket, attempt.request)
        return preflight(attempt.request, bucket, is_object=attempt.key is not None)

    async def _read_body(
        self, request: Request, operation: Operation, signed: Signed | None
    ) -> tuple[Body | None, bytes]:
        if operation.body == "stream":
            return Body(request, signed, for_object=True), b""
        if operation.body == "xml" and request.has_body:
            own = operation.name != "CompleteMultipartUpload"  # its x-amz-checksum-* are the object's
            body = Body(request, signed, for_object=False, checksums_are_its_own=own)
            return None, await body.read(XML_BYTES_MAX_OF.get(operation.name, XML_BYTES_MAX))
        return None, b""

    async def _failed(self, attempt: Attempt, error: Exception, send: Send) -> int:
        """Tell the client; once an answer has begun, the only honest thing left is to break the connection."""
        self._note(attempt, error)
        if attempt.answered_seconds:
            raise BrokenAnswer from error
        fault = fault_of(
            error, attempt.bucket or "", attempt.key_text, attempt.principal.account.account_id if attempt.principal else ""
        )
        await self._refuse(attempt, fault, send)
        return fault.status

    def _note(self, attempt: Attempt, error: Exception) -> None:
        """4xx are the client's; everything else is logged, corruption and surprises with their traceback."""
        if isinstance(error, (S3Fault, ClientFault)):
            return
        where = {"operation": attempt.operation, "resource": attempt.resource, "request_id": attempt.request.request_id}
        if isinstance(error, Unavailable):
            self._log.warning("unavailable", error=str(error), **where)
        elif isinstance(error, (Corruption, DolmenError)):
            self._log.error("failed", error=str(error), **where)
        else:
            self._log.error("unexpected", exc_info=error, **where)

    async def _refuse(self, attempt: Attempt, fault: S3Fault, send: Send) -> None:
        request = attempt.request
        metrics.ERRORS.labels(attempt.operation, fault.code).inc()
        attempt.error_code = fault.code
        response = refusal(request, fault) if attempt.bucket is None else None
        if response is None:
            response = render_fault(fault, resource=attempt.resource, request_id=request.request_id, host_id=HOST_ID)
        if "origin" in request.headers:  # so that a page sees why
            response.headers.extend(await refusal_headers(self._services, attempt.found_bucket, attempt.bucket, request))
        await send_response(send, request, response)


class BrokenAnswer(Exception):
    """The answer was begun and cannot be finished: uvicorn closes the connection."""


