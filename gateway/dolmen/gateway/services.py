"""What a request handler works with; put together once, in ``app.py``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from dolmen.core.clock import Clock
from dolmen.core.ids import StripeIds
from dolmen.gateway.delivery.access_logs import AccessLogs
from dolmen.gateway.delivery.targets import Target
from dolmen.gateway.iam.call import Realm
from dolmen.gateway.iam.identities import Identities
from dolmen.gateway.kms.options import EncryptionOptions
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import MetadataStore
from dolmen.gateway.objects.cluster import ClusterView
from dolmen.gateway.objects.description import ObjectFacts, encode_description
from dolmen.gateway.objects.memory import MemoryBudget
from dolmen.gateway.objects.read import ObjectReader
from dolmen.gateway.objects.segment_write import SegmentWriter, write_target
from dolmen.gateway.objects.stripe_write import StripeWriter
from dolmen.gateway.permissions import Permissions


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one gateway process."""

    store: MetadataStore
    cluster: ClusterView
    stripe_writer: StripeWriter
    reader: ObjectReader
    ids: StripeIds
    write_budget: MemoryBudget
    copies: asyncio.Semaphore  # a copy holds memory of both budgets: bounded, so that copies never wait for each other
    clock: Clock
    identities: Identities
    realm: Realm  # what IAM and STS work with
    permissions: Permissions
    region: str
    domains: tuple[str, ...]
    sigv2: bool
    website_domains: tuple[str, ...]
    encryption: EncryptionOptions
    access_log: AccessLogs
    notification_targets: Mapping[str, Target]
    lifecycle_day_us: int  # how long a day of lifecycle rules is

    def segment_writer(
        self, bucket: BucketRecord, key: bytes, write_id: bytes, facts: ObjectFacts, part_number: int = 0
    ) -> SegmentWriter:
        """A writer for one body of ``key``; ``write_id`` is the intent's, or fresh for a part."""
        pool = self.cluster.pool(facts.attributes.storage_class)
        target = write_target(bucket.bucket_id, key, write_id, part_number, encode_description(bucket, key, pool, facts))
        return SegmentWriter(self.stripe_writer, self.ids, pool, self.write_budget, target)
