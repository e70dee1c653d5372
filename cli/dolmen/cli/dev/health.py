"""What the supervisor knows about its processes by asking them: readiness, metrics, status."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.process_collector import ProcessCollector

from dolmen.cli.dev.metrics_merge import Merger
from dolmen.cli.dev.options import Scheme
from dolmen.cli.dev.plan import Role
from dolmen.cli.dev.supervisor import Child, Phase, Supervisor
from dolmen.cli.http_get import Answer, Unreachable, get_unix
from dolmen.core.clock import Clock

READY_SECONDS = 2.0  # a process that takes longer to say that it is ready is not
READY_CACHE_SECONDS = 1.0  # a probe every few milliseconds must not cost more than one a second
USABLE = ("ready", "full")  # states of a disk that serves what it has
SCRAPE_SECONDS = 5.0  # below the usual time-out of a scraper (10 s)


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process in ``/v1/status``."""

    name: str
    role: str
    state: str
    pid: int
    restarts: int


class _Disk(msgspec.Struct):
    state: str
    in_map: bool


class _Disks(msgspec.Struct):
    """What readiness needs to know of the maintenance process's status."""

    disks: list[_Disk]


class Health:
    """Answers for the whole cluster. ``probe`` makes a real S3 request and returns why it failed, or ""."""

    def __init__(
        self, supervisor: Supervisor, scheme: Scheme, probe: Callable[[], Awaitable[str]], clock: Clock
    ) -> None:
        self._supervisor = supervisor
        self._scheme = scheme
        self._probe = probe
        self._clock = clock
        self._turn = asyncio.Lock()
        self._verdict: tuple[bool, str] = (False, "starting")
        self._verdict_until_seconds = 0.0
        self._merger = Merger()
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._up = Gauge("dolmen_process_up", "1 while it runs", ["name"], registry=self._registry)
        self._restarts = Gauge("dolmen_process_restarts", "How often it was started again", ["name"], registry=self._registry)

    async def ready(self, fresh: bool = False) -> tuple[bool, str]:
        """Whether S3 requests succeed, and if not, the first reason found. At most a second old, or ``fresh``."""
        async with self._turn:
            if fresh or self._clock.monotonic_seconds() >= self._verdict_until_seconds:
                self._verdict = await self._judge()
                self._verdict_until_seconds = self._clock.monotonic_seconds() + READY_CACHE_SECONDS
            return self._verdict

    async def child_ready(self, child: Child) -> bool:
        """Whether one process says that it can work."""
        return not await self._not_ready(child)

    async def all_running(self) -> str:
        """The first process that is not ready and why; "" when all are. For the start: later one may be down and S3 go on."""
        children = self._supervisor.children
        reasons = await asyncio.gather(*(self._not_ready(child) for child in children))
        return next((f"{child.spec.name}: {why}" for child, why in zip(children, reasons, strict=True) if why), "")

    async def _judge(self) -> tuple[bool, str]:
        disks = await self._usable_disks()
        if disks < self._scheme.k:  # with fewer than a write needs reads still go on, and must not be turned away
            return False, f"{disks} disks can be used, {self._scheme.k} are needed"
        gateways = self._supervisor.of_role(Role.GATEWAY)
        reasons = await asyncio.gather(*(self._not_ready(child) for child in gateways))
        if all(reasons):  # a gateway that has no cluster map yet can list buckets, and no more
            return False, f"{gateways[0].spec.name}: {reasons[0]}"
        reason = await self._probe()
        return not reason, reason or "ready"

    async def _usable_disks(self) -> int:
        """As the maintenance process sees them; while it starts again, those of the datanodes that are ready."""
        for child in self._supervisor.of_role(Role.MAINTENANCE):
            answer = await self._ask(child, "/v1/status", READY_SECONDS)
            if answer is not None and answer.status == 200:
                found = msgspec.json.decode(answer.body, type=_Disks).disks
                return sum(disk.in_map and disk.state in USABLE for disk in found)
        datanodes = self._supervisor.of_role(Role.DATANODE)
        reasons = await asyncio.gather(*(self._not_ready(child) for child in datanodes))
        return sum(child.spec.disks for child, reason in zip(datanodes, reasons, strict=True) if not reason)

    async def metrics(self) -> bytes:
        """The metrics of all processes that answer, and our own."""
        for child in self._supervisor.children:
            self._up.labels(child.spec.name).set(child.state.phase is Phase.RUNNING)
            self._restarts.labels(child.spec.name).set(child.state.restarts)
        children = self._supervisor.children
        pids = [child.state.pid for child in children]
        answers = await asyncio.gather(*(self._ask(child, "/metrics", SCRAPE_SECONDS) for child in children))
        pages = {"supervisor": (0, generate_latest(self._registry).decode())}
        for child, pid, answer in zip(children, pids, answers, strict=True):
            if answer is not None and answer.status == 200:
                pages[child.spec.name] = (pid, answer.body.decode("utf-8", "replace"))
        return self._merger.merge(pages)

    async def status(self) -> tuple[int, bytes]:
        """HTTP status and JSON: what the maintenance process reports, with the list of processes."""
        document: dict[str, object] = {}
        status = 503
        for child in self._supervisor.of_role(Role.MAINTENANCE):
            answer = await self._ask(child, "/v1/status", SCRAPE_SECONDS)
            if answer is not None and answer.status == 200:
                document, status = msgspec.json.decode(answer.body, type=dict[str, object]), 200
        if status != 200:
            document["error"] = "the maintenance process does not answer"
        document["processes"] = [
            ProcessReport(
                name=child.spec.name,
                role=child.spec.role,
                state=child.state.phase,
                pid=child.state.pid,
                restarts=child.state.restarts,
            )
            for child in self._supervisor.children
        ]
        return status, msgspec.json.encode(document)

    async def _not_ready(self, child: Child) -> str:
        answer = await self._ask(child, "/readyz", READY_SECONDS)
        if answer is None:
            return "does not answer"
        return "" if answer.status == 200 else answer.body.decode("utf-8", "replace").strip()[:200] or "not ready"

    async def _ask(self, child: Child, path: str, seconds: float) -> Answer | None:
        try:
            return await asyncio.to_thread(get_unix, child.spec.admin_socket, path, timeout_seconds=seconds)
        except Unreachable:
            return None
