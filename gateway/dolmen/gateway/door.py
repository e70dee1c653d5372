"""The front door: every request is addressed, authenticated, routed, authorised, handled, answered, counted.

A raw ASGI application. Requests for objects are served right here; Starlette, whose routing costs as much as parsing
HTTP, carries the rest (``rest``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from dolmen.core.errors import ClientFault, Corruption, DolmenError, Unavailable
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.auth.accounts import Account, stored_bucket_name
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import ANONYMOUS, Principal
from dolmen.gateway.auth.sigv4 import Signed, SignedRequest, claim_request, verify
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.table import handler_of
from dolmen.gateway.http import metrics
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import ClientGone, Receive, Request, Scope, Send
from dolmen.gateway.http.send import HOST_ID, Streamed, send_response, send_stream
from dolmen.gateway.http.translate import fault_of
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.permissions import arn_of
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import address, check_key
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
# Decided by their handlers: key by key, or before there is a bucket.
ASKED_BY_HANDLER = frozenset({"DeleteObjects"})
UNROUTED = "Unrouted"  # the operation's name in metrics and logs until it is known


@dataclass(slots=True)
class Attempt:
    """What is known of a request so far; an error is told in terms of it."""

    request: Request
    began_seconds: float
    bucket: str | None = None
    key: bytes | None = None
    principal: Principal | None = None
    found_bucket: BucketRecord | None = None
    operation: str = UNROUTED
    answered: bool = False

    @property
    def key_text(self) -> str:
        return "" if self.key is None else self.key.decode("utf-8", "replace")

    @property
    def resource(self) -> str:
        """The <Resource> of an error: the path as S3 shows it."""
        if self.bucket is None:
            return "/"
        return f"/{self.bucket}" if self.key is None else f"/{self.bucket}/{self.key_text}"


class FrontDoor:
    """The ASGI application of a gateway."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = get_logger("s3")
        self.rest = self.serve_rest  # replaced by the composition root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        attempt = Attempt(Request(scope, receive), time.perf_counter())
        request = attempt.request
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

    async def serve_rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What Starlette hands over: requests for buckets and for the service."""
        await self._serve(scope["dolmen.attempt"], send)

    async def _serve(self, attempt: Attempt, send: Send) -> None:
        metrics.IN_FLIGHT.inc()
        status = 499  # the client went away, as other servers count it
        try:
            answer = await self._answer(attempt)
            attempt.answered = True
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

    async def _answer(self, attempt: Attempt) -> Response | Streamed:
        services, request = self._services, attempt.request
        signed = await self._identify(attempt)
        if request.raw_query:
            request.parse_query()
            if signed is not None and signed.presigned:
                request.take_headers_from_query()
        level = "service" if attempt.bucket is None else "bucket" if attempt.key is None else "object"
        operation = route(request.method, level, request.query, request.headers)
        attempt.operation = operation.name
        if attempt.key is not None:
            check_key(attempt.key)
        account = attempt.principal.account if attempt.principal is not None else ANONYMOUS
        bucket = await self._find_bucket(attempt, operation, account)
        call = Call(
            services=services,
            request=request,
            operation=operation,
            account=account,
            principal=attempt.principal,
            facts=self._facts(request, signed),
            bucket_name=attempt.bucket or "",
            key=attempt.key or b"",
            found_bucket=bucket,
        )
        if operation.name not in ASKED_BY_HANDLER:
            await self._authorize(call)
        call.streamed_body, document = await self._read_body(request, operation, signed)
        given = parse_input(
            operation, attempt.bucket or "", attempt.key_text, request.query, request.headers, document
        )
        return await handler_of(operation.name)(call, given)

    async def _identify(self, attempt: Attempt) -> Signed | None:
        """Who asks. None is everybody; a signature that does not hold is an error."""
        services, request = self._services, attempt.request
        signed_request = SignedRequest(
            method=request.method,
            raw_path=request.raw_path,
            raw_query=request.raw_query,
            headers=request.headers,
            raw_headers=request.raw_headers,
            domains=services.domains,
        )
        claimed = claim_request(signed_request, services.clock.now_us(), services.region, ("s3",), sigv2=services.sigv2)
        if claimed is None:
            return None
        credential = None if claimed.security_token else services.identities.static(claimed.access_key_id)
        if credential is None:
            credential = await services.identities.find(claimed.access_key_id, claimed.security_token)
        signed = verify(signed_request, claimed, credential.secret)
        attempt.principal = credential.principal
        return signed

    def _facts(self, request: Request, signed: Signed | None) -> RequestFacts:
        now_us = self._services.clock.now_us()
        if signed is None:
            return RequestFacts(request.method, request.headers, request.query, request.client_address, request.secure, now_us)
        return RequestFacts(
            request.method,
            request.headers,
            request.query,
            request.client_address,
            request.secure,
            now_us,
            auth_type=signed.auth_type,
            signature_version=signed.signature_version,
            signature_age_us=signed.signature_age_us,
            payload_hash=signed.payload_hash,
        )

    async def _find_bucket(self, attempt: Attempt, operation: Operation, account: Account) -> BucketRecord | None:
        if attempt.bucket is None or operation.name == "CreateBucket":
            return None
        bucket = await self._services.store.get_bucket(stored_bucket_name(account, attempt.bucket))
        if bucket is None:
            raise S3Fault("NoSuchBucket", fields=(("BucketName", attempt.bucket),))
        attempt.found_bucket = bucket
        return bucket

    async def _authorize(self, call: Call) -> None:
        """Raises AccessDenied."""
        operation, bucket = call.operation, call.found_bucket
        version_id = call.request.query.get("versionId")
        action = operation.action if version_id is None else operation.versioned_action
        resource = ""
        if bucket is None:
            resource = arn_of(stored_bucket_name(call.account, call.bucket_name), None) if call.bucket_name else "*"
        decision = await call.services.permissions.decide(
            call.principal,
            action,
            call.facts,
            bucket,
            call.key or None,
            version_id,
            resource=resource,
            expected_owner=call.request.headers.get("x-amz-expected-bucket-owner"),
        )
        if not decision.allowed:
            self._log.debug("refused", operation=operation.name, reason=decision.reason, statement=decision.statement)
            raise S3Fault(decision.code or "AccessDenied")

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
        if attempt.answered:
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
        response = render_fault(
            fault, resource=attempt.resource, request_id=request.request_id, host_id=HOST_ID
        )
        await send_response(send, request, response)


class BrokenAnswer(Exception):
    """The answer was begun and cannot be finished: uvicorn closes the connection."""


