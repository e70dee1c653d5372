"""Asking for permission: what the pure decision needs is gathered here, and no more of it than may matter."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from dolmen.core.errors import Corruption
from dolmen.gateway.auth.acl import Acl
from dolmen.gateway.auth.authorize import (
    AccessRequest,
    BucketAccess,
    Decision,
    ObjectAccess,
    authorize,
    authorize_identity,
    wants_object,
)
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.auth.policy.context import Context
from dolmen.gateway.auth.policy.document import PolicyError, parse_policy
from dolmen.gateway.auth.principal import Principal
from dolmen.gateway.iam.identities import Identities
from dolmen.gateway.metadata.records import BucketRecord, VersionRecord
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.s3.model.inputs_generated import OwnershipControls, PublicAccessBlockConfiguration

ACCESS_CACHE_MAX = 1024  # buckets; a policy of 20 KB compiles to some 100 KB

_acl = msgspec.msgpack.Decoder(Acl).decode


def arn_of(bucket_name: str, key: bytes | None) -> str:
    """ARN of a bucket ("tenant:name" in a tenant's namespace) or of an object in it."""
    tenant, _, name = bucket_name.rpartition(":")
    where = f"arn:aws:s3::{tenant}:{name}"
    return where if key is None else f"{where}/{key.decode('utf-8', 'replace')}"


class Permissions:
    """Decides with the bucket's documents; these are compiled once for each revision of a bucket."""

    def __init__(self, store: MetadataStore, identities: Identities) -> None:
        self._store = store
        self._identities = identities
        self._known: OrderedDict[bytes, tuple[int, BucketAccess]] = OrderedDict()

    def access_of(self, bucket: BucketRecord) -> BucketAccess:
        """The bucket as the decision sees it."""
        known = self._known.get(bucket.bucket_id)
        if known is not None and known[0] == bucket.rev:
            return known[1]
        access = self._compiled(bucket)
        self._known[bucket.bucket_id] = bucket.rev, access
        self._known.move_to_end(bucket.bucket_id)
        while len(self._known) > ACCESS_CACHE_MAX:
            self._known.popitem(last=False)
        return access

    def _compiled(self, bucket: BucketRecord) -> BucketAccess:
        config = bucket.config
        policy = acl = None
        if "policy" in config:
            try:
                policy = parse_policy(config["policy"], kind="bucket")
            except PolicyError as error:  # it was checked when it was stored
                raise Corruption(f"policy of bucket {bucket.name}: {error}") from error
        if "acl" in config:
            acl = _acl(config["acl"])
        ownership = "BucketOwnerEnforced"
        if "ownership" in config:
            rules = msgspec.msgpack.decode(config["ownership"], type=OwnershipControls).rules or []
            ownership = (rules[0].object_ownership if rules else None) or "ObjectWriter"
        block = PublicAccessBlockConfiguration()
        if "public-access-block" in config:
            block = msgspec.msgpack.decode(config["public-access-block"], type=PublicAccessBlockConfiguration)
        owner = self._identities.account(bucket.owner)
        return BucketAccess(
            name=bucket.name,
            owner_account=bucket.owner,
            owner_canonical=owner.canonical_id if owner is not None else bucket.owner,
            policy=policy,
            acl=acl,
            ownership=ownership,
            block_public_acls=bool(block.block_public_acls),
            ignore_public_acls=bool(block.ignore_public_acls),
            block_public_policy=bool(block.block_public_policy),
            restrict_public_buckets=bool(block.restrict_public_buckets),
        )

    async def decide(
        self,
        principal: Principal | None,
        action: str,
        facts: RequestFacts,
        bucket: BucketRecord | None,
        key: bytes | None,
        version_id: str | None = None,
        *,
        resource: str = "",
        expected_owner: str | None = None,
        new_object: bool = False,
    ) -> Decision:
        """As ``judge``, without the object."""
        decision, _ = await self.judge(
            principal,
            action,
            facts,
            bucket,
            key,
            version_id,
            resource=resource,
            expected_owner=expected_owner,
            new_object=new_object,
        )
        return decision

    async def judge(
        self,
        principal: Principal | None,
        action: str,
        facts: RequestFacts,
        bucket: BucketRecord | None,
        key: bytes | None,
        version_id: str | None = None,
        *,
        resource: str = "",
        expected_owner: str | None = None,
        new_object: bool = False,
    ) -> tuple[Decision, VersionRecord | None]:
        """One action on one bucket or object; without a bucket on ``resource`` alone (ListBuckets, CreateBucket).

        With the version that the decision is about, when it had to be looked at: a read goes on with that one, so that nothing
        takes its place in between. ``new_object``: the action is part of a write, whatever is there now does not matter.
        """
        context = Context.of_request(facts, principal, bucket.owner if bucket is not None else "", version_id)
        if bucket is None:
            return authorize_identity(AccessRequest(action, resource, context), principal), None
        access = self.access_of(bucket)
        request = AccessRequest(action, arn_of(bucket.name, key), context, expected_owner)
        record = None
        if key is not None and not new_object and wants_object(access, principal, action):
            record = await self._store.get_version(bucket.bucket_id, key, version_id)
        target = None if record is None or record.is_delete_marker else self._object(record)
        return authorize(request, principal, access, target), record

    def _object(self, record: VersionRecord) -> ObjectAccess:
        account = self._identities.account(record.owner)
        return ObjectAccess(
            owner_canonical=account.canonical_id if account is not None else record.owner,
            acl=_acl(record.mutable.acl) if record.mutable.acl else None,
            tags=record.mutable.tags,
        )
