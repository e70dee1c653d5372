"""Who asks, for which bucket, and may they: the steps between a request's address and its handler."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.auth.accounts import Account, stored_bucket_name
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import ANONYMOUS, Credential, Principal
from dolmen.gateway.auth.sigv4 import Signed, SignedRequest, claim_request, verify
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import Request
from dolmen.gateway.iam.wire import FORM_BYTES_MAX
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.permissions import arn_of
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import Operation
from dolmen.gateway.services import Services

S3 = "s3"
QUERY_SERVICES = ("iam", "sts")
OF_ROOT = (S3, *QUERY_SERVICES)  # what a request without a bucket may be signed for
OF_BUCKET = (S3,)


@dataclass(slots=True)
class Asked:
    """Who asks and how it was signed; nobody (anonymous) without a signature."""

    signed: Signed | None = None
    principal: Principal | None = None
    body: bytes | None = None  # of an IAM or STS request: its digest is part of what is signed

    @property
    def account(self) -> Account:
        return self.principal.account if self.principal is not None else ANONYMOUS


class Admission:
    """One for each gateway process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = get_logger("s3")
        self._more = {"aws:requestedregion": (services.region,)}

    async def identify(self, request: Request, scopes: tuple[str, ...]) -> Asked:
        """A signature that does not hold is an error, and so is one for a service that is not among ``scopes``.

        Raises what ``claim_request``, ``credential`` and ``verify`` raise.
        """
        services = self._services
        signed_request = SignedRequest(
            method=request.method,
            raw_path=request.raw_path,
            raw_query=request.raw_query,
            headers=request.headers,
            raw_headers=request.raw_headers,
            domains=services.domains,
        )
        claimed = claim_request(signed_request, services.clock.now_us(), services.region, scopes, sigv2=services.sigv2)
        if claimed is None:
            return Asked()
        credential = await self.credential(claimed.access_key_id, claimed.security_token)
        if claimed.service == S3:
            return Asked(verify(signed_request, claimed, credential.secret), credential.principal)
        body = await Body(request, None, for_object=False).read(FORM_BYTES_MAX)
        signed = verify(signed_request, claimed, credential.secret, hashlib.sha256(body).hexdigest())
        return Asked(signed, credential.principal, body)

    async def credential(self, access_key_id: str, security_token: str) -> Credential:
        """Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""
        if not security_token:
            found = self._services.identities.static(access_key_id)
            if found is not None:
                return found
        return await self._services.identities.find(access_key_id, security_token)

    def facts(
        self,
        request: Request,
        signed: Signed | None,
        headers: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RequestFacts:
        """What conditions may ask of a request; ``headers``: those that count (a form's fields instead of the request's)."""
        return RequestFacts(
            request.method,
            request.headers if headers is None else headers,
            request.query,
            request.client_address,
            request.secure,
            self._services.clock.now_us(),
            auth_type=signed.auth_type if signed is not None else "",
            signature_version=signed.signature_version if signed is not None else "",
            signature_age_us=signed.signature_age_us if signed is not None else None,
            payload_hash=signed.payload_hash if signed is not None else "",
            request_tags=tags or {},
            more=self._more,
        )

    async def bucket(self, account: Account, name: str) -> BucketRecord:
        """The bucket that ``account`` calls ``name``. Raises NoSuchBucket."""
        found = await self._services.store.get_bucket(stored_bucket_name(account, name))
        if found is None:
            raise S3Fault("NoSuchBucket", fields=(("BucketName", name),))
        return found

    def call(self, request: Request, asked: Asked, operation: Operation, facts: RequestFacts) -> Call:
        """A call of the service; the caller fills in bucket and key."""
        return Call(
            services=self._services,
            request=request,
            operation=operation,
            account=asked.account,
            principal=asked.principal,
            facts=facts,
            bucket_name="",
            key=b"",
        )

    async def authorize(self, call: Call) -> None:
        """The operation's own action. Raises AccessDenied."""
        operation, bucket = call.operation, call.found_bucket
        version_id = call.request.query.get("versionId")
        resource = ""
        if bucket is None:
            resource = arn_of(stored_bucket_name(call.account, call.bucket_name), None) if call.bucket_name else "*"
        decision, call.seen = await self._services.permissions.judge(
            call.principal,
            operation.action if version_id is None else operation.versioned_action,
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
