"""What a load of ``history_load`` can drive: a metadata store through its port, and S3 over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp
import yarl
from history_load import Listed, Told
from raw_s3 import UNSIGNED, RawS3, key_path, query_text

from dolmen.core.errors import Unavailable, Unknown
from dolmen.core.layout import ObjectLayout
from dolmen.gateway.metadata.delimiter import successor
from dolmen.gateway.metadata.records import Attributes, BucketRecord, DeleteRequest, NewVersion, WriteCondition
from dolmen.gateway.metadata.store import MetadataStore, NoSuchKey, PreconditionFailed

OWNER = "1" * 12
REQUEST_SECONDS = 30.0  # longer than any time-out within the store
CONNECTIONS_MAX = 256  # of one load: as many clients as anybody starts
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class PortStore:
    """A metadata store, one of its buckets. ``layout``: of each write (what is replaced becomes garbage)."""

    def __init__(self, store: MetadataStore, bucket: BucketRecord, layout: Callable[[], ObjectLayout] = ObjectLayout) -> None:
        self.store = store
        self.bucket = bucket
        self.layout = layout

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told:
        layout = self.layout()
        version = NewVersion(size=len(body), etag=etag, owner=OWNER, attributes=Attributes(), layout=layout)
        try:
            intent = await self.store.begin(self.bucket, key)
        except Unavailable:
            return Told("failed")
        outcome = await self._outcome(self.store.commit(intent, version, _condition(if_match, if_absent)))
        if outcome not in ("ok", "unknown"):
            try:
                await self.store.abort(intent, layout)
            except (Unavailable, Unknown):
                pass  # the intent stays; somebody sweeps it
        return Told(outcome)

    async def delete(self, key: bytes, if_match: str | None) -> Told:
        request = DeleteRequest(key=key, condition=_condition(if_match, if_absent=False))
        return Told(await self._outcome(self.store.delete(self.bucket, request)))

    async def _outcome(self, change) -> str:
        try:
            await change
        except PreconditionFailed:
            return "refused"
        except NoSuchKey:
            return "missing"
        except Unknown:
            return "unknown"
        except Unavailable:
            return "failed"
        return "ok"

    async def get(self, key: bytes) -> Told:
        try:
            found = await self.store.get_version(self.bucket.bucket_id, key)
        except (Unavailable, Unknown):
            return Told("unknown")
        return Told("missing") if found is None or found.is_delete_marker else Told("ok", found.etag)

    head = get

    async def list(self, prefix: bytes, after: bytes, limit: int) -> Listed | None:
        start = max(prefix, after + b"\0" if after else b"")
        end = successor(prefix)
        try:
            rows = await self.store.scan(self.bucket.bucket_id, start, end, limit)
        except (Unavailable, Unknown):
            return None
        return _listed([(row.key, row.etag) for row in rows], end, is_last=len(rows) < limit)


def _condition(if_match: str | None, if_absent: bool) -> WriteCondition:
    return WriteCondition(if_match=(if_match,) if if_match else (), if_none_match=("*",) if if_absent else ())


def _listed(rows: list[tuple[bytes, str]], end: bytes | None, *, is_last: bool) -> Listed:
    """A page that was cut off covers its last key and nothing behind it."""
    return Listed(tuple(rows), end if is_last or not rows else rows[-1][0] + b"\0")


class HttpStore:
    """S3 over HTTP: one bucket, spread over gateways (``ports``). A context manager. GET tells the digest of what came."""

    def __init__(self, ports: list[int], keys: tuple[str, str], bucket: str, request_seconds: float = REQUEST_SECONDS) -> None:
        self.gateways = [RawS3(port, keys) for port in ports]
        self.bucket = bucket
        self.request_seconds = request_seconds
        self._turn = 0

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self.request_seconds)
        connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        self.session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        # It would send a PUT or DELETE once more, unseen, when its connection breaks: the answer would be that of the second one.
        self.session._retry_connection = False
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.session.close()

    async def _send(
        self, method: str, path: str, query: str = "", headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> tuple[int, str, bytes]:
        """(status, ETag, body); status 0: no answer; status -1: it was certainly not sent."""
        self._turn += 1
        gateway = self.gateways[self._turn % len(self.gateways)]
        sent, _ = gateway.headers_for(method, path, query, headers, payload=UNSIGNED)
        url = yarl.URL(f"http://127.0.0.1:{gateway.port}{path}{'?' if query else ''}{query}", encoded=True)
        try:
            async with self.session.request(method, url, headers=sent, data=body, allow_redirects=False) as answer:
                return answer.status, answer.headers.get("ETag", "").strip('"'), await answer.read()
        except aiohttp.ClientConnectorError:
            return -1, "", b""
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError):
            return 0, "", b""

    async def put(self, key: bytes, body: bytes, etag: str, if_match: str | None, if_absent: bool) -> Told:
        headers = {"If-Match": f'"{if_match}"'} if if_match else {"If-None-Match": "*"} if if_absent else {}
        status, told, _ = await self._send("PUT", key_path(self.bucket, key), headers=headers, body=body)
        assert status != 200 or told == etag, f"PUT {key!r} answered {told}, not {etag}"
        return Told(_outcome_of(status))

    async def delete(self, key: bytes, if_match: str | None) -> Told:
        headers = {"If-Match": f'"{if_match}"'} if if_match else {}
        status, _, _ = await self._send("DELETE", key_path(self.bucket, key), headers=headers)
        return Told(_outcome_of(status))

    async def get(self, key: bytes) -> Told:
        status, _, body = await self._send("GET", key_path(self.bucket, key))
        return Told("ok", hashlib.md5(body).hexdigest()) if status == 200 else Told(_outcome_of(status))

    async def head(self, key: bytes) -> Told:
        status, etag, _ = await self._send("HEAD", key_path(self.bucket, key))
        return Told("ok", etag) if status == 200 else Told(_outcome_of(status))

    async def list(self, prefix: bytes, after: bytes, limit: int) -> Listed | None:
        query = query_text(
            [("list-type", "2"), ("max-keys", str(limit)), ("prefix", prefix.decode()), ("start-after", after.decode())]
        )
        status, _, body = await self._send("GET", f"/{self.bucket}", query)
        if status != 200:
            assert status in (0, -1) or status >= 500, (status, body)
            return None
        root = ET.fromstring(body)
        rows = [
            (found.findtext(f"{NAMESPACE}Key", "").encode(), found.findtext(f"{NAMESPACE}ETag", "").strip('"'))
            for found in root.iter(f"{NAMESPACE}Contents")
        ]
        is_last = root.findtext(f"{NAMESPACE}IsTruncated") == "false"
        return _listed(rows, successor(prefix), is_last=is_last)


def _outcome_of(status: int) -> str:
    """Of a request that did not succeed with a value. A 503 may be either: it counts as unknown."""
    if status in (200, 204):
        return "ok"
    if status == -1:
        return "failed"
    if status == 0 or status >= 500:
        return "unknown"
    named = {412: "refused", 404: "missing", 409: "failed"}
    assert status in named, f"nobody expected status {status}"
    return named[status]
