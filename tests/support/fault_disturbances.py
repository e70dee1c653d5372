"""What goes wrong during a fault run, drawn from a seed: nodes and gateways are killed and stopped, ranges reshaped.

One node at a time, so that a quorum lives; gateways and ranges at any time. Meanwhile leftovers are swept up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, Self

from fault_gateways import Gateway, GatewayGone, Gateways, Trouble

NODE_STOP_SECONDS = (1.0, 7.0)
NODE_CALM_SECONDS = (4.0, 8.0)  # between two disturbances of nodes: drivers need a few to use a node again
NODE_DOWN_SECONDS = (1.0, 6.0)  # before a killed node is started again, which takes a while itself
KILL_NODE_SHARE = 0.35
GATEWAY_STOP_SECONDS = (0.3, 3.0)
DEAD_STOP_SECONDS = 8.0  # longer than ``Job.dead_seconds``: others take it for dead, and it comes back
DEAD_STOP_SHARE = 0.15
KILL_GATEWAY_SHARE = 0.4
GATEWAY_CALM_SECONDS = (2.0, 6.0)
RESHAPE_SECONDS = (0.5, 4.0)
UPKEEP_SECONDS = 2.0
# So long after a disturbance clients may still be told that something is unknown: changes are repeated for 8 s, and wait for each
# other.
AFTERMATH_SECONDS = 15.0


class Nodes(Protocol):
    """What is needed of a cluster of three nodes."""

    def kill(self, node: int) -> None: ...

    def pause(self, node: int) -> None: ...

    def resume(self, node: int) -> None: ...

    def restart(self, node: int) -> None: ...


class Broken(Protocol):
    """What is needed of a gateway process."""

    def signal(self, number: signal.Signals) -> None: ...

    async def kill(self) -> None: ...

    async def start(self) -> None: ...


class Disturbance(NamedTuple):
    """What was done, and while nobody could count on an answer."""

    what: str
    begun: float
    ended: float


class Disturbances:
    """A context: everything goes wrong until it ends; then all nodes and gateways run."""

    def __init__(
        self, broken: Sequence[Broken], maintainers: Gateways, nodes: Nodes, seed: int, keys: Callable[[random.Random], bytes]
    ) -> None:
        """``broken``: gateways. ``maintainers`` split and sweep; may be the same. ``keys``: draws one whose range is reshaped."""
        self.broken = broken
        self.maintainers = maintainers
        self.nodes = nodes
        self.log: list[Disturbance] = []
        self.counts: Counter[str] = Counter()
        self._keys = keys
        self._seed = seed
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        works = [self._disturb_gateways, self._reshape, self._keep_up, self._disturb_nodes]
        self._tasks = [asyncio.create_task(self._repeat(work)) for work in works]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _repeat(self, work: Callable[[random.Random], Awaitable[None]]) -> None:
        draw = random.Random(f"{self._seed}/{work.__name__}")
        while not self._over.is_set():
            await work(draw)

    async def _calm(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)

    @contextlib.contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        self.counts[what] += 1
        try:
            yield
        finally:
            self.log.append(Disturbance(what, begun, time.monotonic()))

    async def _disturb_nodes(self, draw: random.Random) -> None:
        await self._calm(draw.uniform(*NODE_CALM_SECONDS))
        node, kills, seconds = draw.choice((1, 2, 3)), draw.random() < KILL_NODE_SHARE, draw.random()
        if self._over.is_set():
            return
        if kills:
            with self._noted("node killed"):
                await asyncio.to_thread(self.nodes.kill, node)
                await self._calm(_between(NODE_DOWN_SECONDS, seconds))
                await asyncio.to_thread(self.nodes.restart, node)
        else:
            with self._noted("node stopped"):
                self.nodes.pause(node)
                try:
                    await self._calm(_between(NODE_STOP_SECONDS, seconds))
                finally:
                    self.nodes.resume(node)

    async def _disturb_gateways(self, draw: random.Random) -> None:
        await self._calm(draw.uniform(*GATEWAY_CALM_SECONDS))
        gateway, kills, dead = draw.choice(self.broken), draw.random(), draw.random()
        if self._over.is_set():
            return
        if kills < KILL_GATEWAY_SHARE:
            with self._noted("gateway killed"):
                await gateway.kill()
                await gateway.start()
            return
        long = dead < DEAD_STOP_SHARE
        with self._noted("gateway stopped until it was taken for dead" if long else "gateway stopped"):
            gateway.signal(signal.SIGSTOP)
            try:
                await asyncio.sleep(DEAD_STOP_SECONDS if long else _between(GATEWAY_STOP_SECONDS, draw.random()))
            finally:
                gateway.signal(signal.SIGCONT)

    async def _reshape(self, draw: random.Random) -> None:
        await self._calm(draw.uniform(*RESHAPE_SECONDS))
        key, seed = self._keys(draw), draw.randrange(1 << 32)
        if not self._over.is_set():
            self.counts[f"reshape: {await _told(await self.maintainers.one(), 'reshape', key, seed)}"] += 1

    async def _keep_up(self, _draw: random.Random) -> None:
        await self._calm(UPKEEP_SECONDS)
        done = await _told(await self.maintainers.one(), "upkeep")
        if isinstance(done, int) and done > 0:
            self.counts["swept"] += done

    def unexplained(self, troubles: list[Trouble]) -> list[Trouble]:
        """Troubles that no disturbance accounts for: nothing was wrong from their beginning on, or lately."""
        return [
            trouble
            for trouble in troubles
            if not any(
                trouble.begun < each.ended + AFTERMATH_SECONDS and trouble.ended > each.begun for each in self.log
            )
        ]


async def _told(gateway: Gateway, name: str, *arguments: object) -> object:
    try:
        return await gateway.call(name, *arguments)
    except GatewayGone:
        return "the gateway was killed"


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + share * (bounds[1] - bounds[0])
