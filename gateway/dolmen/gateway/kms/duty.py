"""The keys' part of maintenance: after a rotation of the keyring or of a named key, everything is wrapped anew, once.

Where a pass is, and for which versions it is made, lies beside the keys: any process may go on with it, and without a rotation
nothing is read but the list of keys.
"""

from __future__ import annotations

import msgspec
from prometheus_client import Gauge

from dolmen.core.clock import Clock
from dolmen.core.cluster_report import KeysReport
from dolmen.core.telemetry.log import get_logger
from dolmen.gateway.kms.local import FRESH_SECONDS, SPACE
from dolmen.gateway.kms.rewrap import FROM_THE_START, Position, Progress, rewrap_bucket
from dolmen.gateway.kms.service import KEYS_PAGE_MAX, KeyService
from dolmen.gateway.metadata.records import Document, DocumentChange
from dolmen.gateway.metadata.store import DocumentChanged, MetadataStore

KIND, NAME = "rewrap", "pass"  # of the document
BUCKETS_PAGE = 100  # of one look
SETTLE_US = int(2 * FRESH_SECONDS * 1_000_000)  # until every gateway seals with the new version: a pass begins after it

PENDING = Gauge("dolmen_key_rewrap_pending", "1 while a pass over the sealed keys of objects is due or runs, after a rotation")
LEFT = Gauge("dolmen_key_rewrap_left", "Versions that the last pass left as they were: key disabled or broken, changed meanwhile")


class Pass(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over all buckets."""

    service: str  # and the versions of its named keys, that it is made for
    versions: dict[str, int]
    noticed_us: int
    bucket: str = ""  # all buckets before it are done
    position: Position = FROM_THE_START  # within that bucket
    buckets: int = 0  # that are done
    seen: int = 0
    rewrapped: int = 0
    left: int = 0  # disabled, broken, or changed meanwhile
    done: bool = False


_decode = msgspec.msgpack.Decoder(Pass).decode
_encode = msgspec.msgpack.Encoder().encode


class KeyDuty:
    """``step`` now and then, in one process at a time; two of them would only do the same work twice."""

    def __init__(self, store: MetadataStore, service: KeyService, clock: Clock) -> None:
        self._store = store
        self._service = service
        self._clock = clock
        self._rev = 0
        self._state: Pass | None = None
        self._log = get_logger("kms")

    @property
    def state(self) -> Pass | None:
        """How it stood last; changes while ``step`` works."""
        return self._state

    @property
    def report(self) -> KeysReport | None:
        """The same for people; None before the first step."""
        state = self._state
        if state is None:
            return None
        return KeysReport(state.done, state.buckets, state.seen, state.rewrapped, state.left)

    async def step(self, *, anew: bool = False) -> Pass:
        """Do what there is to do; returns how it stands. ``anew``: a pass also where the last one is done and nothing was rotated.

        Raises ``KmsUnavailable``, ``DocumentChanged`` (another process is at it), and what the store raises: call it again.
        """
        wrapped = await self._service.rewrap()
        if wrapped:
            self._log.info("keys were wrapped by the current key of the keyring", versions=wrapped)
        versions = await self._versions()
        state = await self._load()
        # Of a store that never had another key service, nor rotated a key, everything is sealed as it should be.
        known = state or Pass(service=self._service.label.partition(" ")[0], versions={}, noticed_us=0, done=True)
        rotated = any(version > known.versions.get(name, 1) for name, version in versions.items())
        if rotated or known.service != self._service.label:
            made_for = Pass(service=self._service.label, versions=versions, noticed_us=self._clock.now_us())
            known = await self._save(made_for)
        elif anew and known.done:
            known = await self._save(Pass(service=self._service.label, versions=versions, noticed_us=0))
        state = self._tell(known)
        if state.done or self._clock.now_us() < state.noticed_us + SETTLE_US:
            return state
        return await self._walk(state)

    async def _versions(self) -> dict[str, int]:
        versions: dict[str, int] = {}
        after = ""
        while True:
            page = await self._service.list_keys(after, KEYS_PAGE_MAX)
            versions.update((info.name, info.version) for info in page)
            if len(page) < KEYS_PAGE_MAX:
                return versions
            after = page[-1].name

    async def _walk(self, state: Pass) -> Pass:
        if state.bucket:  # it was cut short in this one
            state = await self._bucket(state, state.bucket)
        while True:
            page = await self._store.all_buckets(state.bucket, BUCKETS_PAGE)
            for bucket in page:
                buckets = state.buckets + bool(state.bucket)
                state = msgspec.structs.replace(state, bucket=bucket.name, position=FROM_THE_START, buckets=buckets)
                state = await self._bucket(state, bucket.name)
            if len(page) < BUCKETS_PAGE:
                break
            state = await self._save(state)
        state = await self._save(msgspec.structs.replace(state, done=True, buckets=state.buckets + bool(state.bucket)))
        self._log.info("sealed keys of objects are current", versions=state.seen, rewrapped=state.rewrapped, left=state.left)
        return state

    async def _bucket(self, state: Pass, name: str) -> Pass:
        """One bucket from the state's position on; the document follows page by page."""
        bucket = await self._store.get_bucket(name)
        if bucket is None:
            return state
        begun = state

        def after(progress: Progress) -> Pass:
            return msgspec.structs.replace(
                begun,
                position=progress.position,
                seen=begun.seen + progress.seen,
                rewrapped=begun.rewrapped + progress.rewrapped,
                left=begun.left + progress.changed + progress.skipped + progress.broken,
            )

        async def told(progress: Progress) -> None:
            if not progress.done:
                await self._save(after(progress))

        return self._tell(after(await rewrap_bucket(self._store, self._service, bucket, state.position, told)))

    def _tell(self, state: Pass) -> Pass:
        self._state = state
        PENDING.set(not state.done)
        LEFT.set(state.left)
        return state

    async def _load(self) -> Pass | None:
        document: Document | None = await self._store.get_document(SPACE, KIND, NAME)
        self._rev = 0 if document is None else document.rev
        return None if document is None else _decode(document.raw)

    async def _save(self, state: Pass) -> Pass:
        change = DocumentChange(kind=KIND, name=NAME, raw=_encode(state), expected_rev=self._rev)
        await self._store.write_documents(SPACE, [change])
        document = await self._store.get_document(SPACE, KIND, NAME)
        if document is None or document.raw != change.raw:
            raise DocumentChanged(KIND, NAME)
        self._rev = document.rev
        return self._tell(state)
