"""How a form of a browser passes the door: its signature and its key are fields, known only when the form is read."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.admission import Admission, Asked
from dolmen.gateway.attempt import Attempt
from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.auth.sigv4 import Signed
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.http.body import Body
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import check_key
from dolmen.gateway.s3.operations import Operation


class FormDoor:
    """What ``handlers.post_object`` asks of the door, for one request."""

    def __init__(self, admission: Admission, attempt: Attempt, asked: Asked, operation: Operation) -> None:
        """Raises InvalidRequest when the request itself is signed: of two signatures none counts."""
        if asked.signed is not None:
            raise S3Fault("InvalidRequest", "Form uploads are signed by a field of the form.")
        self._admission = admission
        self._attempt = attempt
        self._operation = operation

    async def find_secret(self, access_key_id: str, security_token: str) -> tuple[str, Principal]:
        """Raises InvalidAccessKeyId, InvalidToken, ExpiredToken."""
        credential = await self._admission.credential(access_key_id, security_token)
        return credential.secret, credential.principal

    async def admit(
        self,
        principal: Principal | None,
        signed: Signed | None,
        key: bytes,
        headers: Mapping[str, str],
        tags: Mapping[str, str],
        body: Body,
    ) -> Call:
        """The call of this upload, with s3:PutObject granted. ``headers``: the form's fields. Raises NoSuchBucket, AccessDenied."""
        attempt, admission = self._attempt, self._admission
        attempt.principal, attempt.signed, attempt.key = principal, signed, check_key(key)
        facts = admission.facts(attempt.request, signed, headers, tags)
        call = admission.call(attempt.request, Asked(signed, principal), self._operation, facts)
        call.bucket_name, call.key, call.streamed_body = attempt.bucket or "", key, body
        call.found_bucket = attempt.found_bucket = await admission.bucket(call.account, call.bucket_name)
        await admission.authorize(call)
        return call
