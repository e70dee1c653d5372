"""One S3 call: what every handler is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.authorize import Decision
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import Request
from dolmen.gateway.http.send import Streamed
from dolmen.gateway.metadata.records import NULL_VERSION, BucketRecord, VersionRecord
from dolmen.gateway.metadata.versions import seq_of_version_id
from dolmen.gateway.s3.dates import http_date
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.operations import Operation
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services


@dataclass(slots=True)
class Call:
    """A request that was authenticated, routed and authorised."""

    services: Services
    request: Request
    operation: Operation
    account: Account  # ANONYMOUS when nobody signed
    principal: Principal | None
    facts: RequestFacts
    bucket_name: str  # as the client wrote it
    key: bytes
    streamed_body: Body | None = None
    found_bucket: BucketRecord | None = None
    seen: VersionRecord | None = None  # what the operation's permission was given for; see ``find``

    @property
    def bucket(self) -> BucketRecord:
        """The addressed bucket; the front door has looked it up for every operation that needs one."""
        if self.found_bucket is None:
            raise S3Fault("NoSuchBucket", fields=(("BucketName", self.bucket_name),))
        return self.found_bucket

    @property
    def body(self) -> Body:
        """The payload of an operation that stores one."""
        assert self.streamed_body is not None
        return self.streamed_body

    @property
    def key_text(self) -> str:
        return self.key.decode()

    async def find(self, version_id: str | None) -> VersionRecord | None:
        """The version that the request is about: the one that the permission was given for, when that had to be looked at."""
        seen, self.seen = self.seen, None
        if seen is not None:
            return seen
        return await self.services.store.get_version(self.bucket.bucket_id, self.key, version_id)

    async def allowed(
        self,
        action: str,
        bucket: BucketRecord | None = None,
        key: bytes | None = None,
        *,
        version_id: str | None = None,
        expected_owner: str | None = None,
    ) -> Decision:
        """Whether the caller may also do this: on the addressed bucket and key, or on others that the request names."""
        if bucket is None:
            bucket, key = self.bucket, key if key is not None else (self.key or None)
        return await self.services.permissions.decide(
            self.principal, action, self.facts, bucket, key, version_id, expected_owner=expected_owner
        )

    async def require(
        self,
        action: str,
        bucket: BucketRecord | None = None,
        key: bytes | None = None,
        *,
        version_id: str | None = None,
        expected_owner: str | None = None,
        new_object: bool = False,
    ) -> VersionRecord | None:
        """Raises AccessDenied unless ``allowed``; returns the version that was looked at, if one had to be.

        ``new_object``: the action is part of a write to the key.
        """
        if bucket is None:
            bucket, key = self.bucket, key if key is not None else (self.key or None)
        decision, seen = await self.services.permissions.judge(
            self.principal,
            action,
            self.facts,
            bucket,
            key,
            version_id,
            expected_owner=expected_owner,
            new_object=new_object,
        )
        if not decision.allowed:
            raise S3Fault(decision.code)
        return seen


Handler = Callable[[Call, Any], Awaitable[Response | Streamed]]  # what does an operation, given its input


def is_version_id(text: str) -> bool:
    """It has the form of an id of ours; whether there is such a version is another question."""
    return text == NULL_VERSION or seq_of_version_id(text) is not None


def check_version_id(version_id: str) -> None:
    """Raises InvalidArgument for what cannot be the id of a version."""
    if not is_version_id(version_id):
        raise S3Fault(
            "InvalidArgument",
            "Invalid version id specified" if version_id else "Version id cannot be the empty string",
            fields=(("ArgumentName", "versionId"), ("ArgumentValue", version_id)),
        )


def require_version(record: VersionRecord | None, call: Call, version_id: str | None) -> VersionRecord:
    """The version to read, or S3's error: a delete marker is a 404 (current) or a 405 (named)."""
    if record is None:
        if version_id is not None:
            check_version_id(version_id)
            raise S3Fault("NoSuchVersion", fields=(("Key", call.key_text), ("VersionId", version_id)))
        raise S3Fault("NoSuchKey", fields=(("Key", call.key_text),))
    if not record.is_delete_marker:
        return record
    headers = (("x-amz-delete-marker", "true"), ("x-amz-version-id", record.version_id))
    if version_id is None:
        raise S3Fault("NoSuchKey", fields=(("Key", call.key_text),), headers=headers)
    raise S3Fault(
        "MethodNotAllowed",
        fields=(("Method", call.request.method), ("ResourceType", "DeleteMarker")),
        headers=(*headers, ("allow", "DELETE"), ("last-modified", http_date(record.mtime_us))),
    )
