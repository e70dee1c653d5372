"""New connections go to workers that are up.

Each gateway worker has its own listening socket on the shared port, made and kept open by the supervisor, and the kernel spreads
connections over them. So no connection is ever refused while a worker is down, but one that the kernel gave to its socket would
wait there until the next worker accepts it: half a second with two workers means half of all clients. Therefore the sockets
carry a small program (SO_ATTACH_REUSEPORT_CBPF) that chooses among those whose worker is ready. (One socket shared by all workers
would lose nothing either, but whoever wakes first takes a whole burst of connections, and keep-alive keeps it that way.)
What arrived in the instant before the death was noticed waits for the restart, and so does everything where the kernel refuses
the program.
"""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence

from dolmen.cli.dev.supervisor import Child, Phase

POLL_SECONDS = 0.05  # between questions whether a new worker is ready

_SO_ATTACH_REUSEPORT_CBPF = 51
_LOAD_RANDOM = (0x20, 0, 0, 0xFFFFF000 + 56)  # A = a random number (SKF_AD_OFF + SKF_AD_RANDOM)
_MODULO = 0x94
_JUMP_IF_EQUAL = 0x15
_RETURN = 0x06


def program(live: Sequence[int]) -> bytes:
    """Classic BPF that returns one of the socket numbers in ``live``, each equally often."""
    instructions = [_LOAD_RANDOM, (_MODULO, 0, 0, len(live))]
    for place, number in enumerate(live):
        instructions += [(_JUMP_IF_EQUAL, 0, 1, place), (_RETURN, 0, 0, number)]
    instructions.append((_RETURN, 0, 0, live[0]))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)


def steer(listener: socket.socket, live: Sequence[int]) -> bool:
    """Attach the program to the sockets that share ``listener``'s port; False when the kernel does not take it."""
    code = program(live)
    buffer = ctypes.create_string_buffer(code, len(code))
    try:
        filter_program = struct.pack("HP", len(code) // 8, ctypes.addressof(buffer))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, filter_program)
    except OSError:
        return False
    return True


class Steering:
    """Follows the workers: away from one that died, back when ``ready`` says so."""

    def __init__(self, listeners: Sequence[socket.socket], ready: Callable[[Child], Awaitable[bool]]) -> None:
        self._listeners = list(listeners)
        self._numbers = {listener.fileno(): number for number, listener in enumerate(listeners)}
        self._ready = ready
        self._down: set[int] = set()
        self._waiting: dict[int, asyncio.Task[None]] = {}

    def changed(self, child: Child) -> None:
        """A process was started or died."""
        number = self._numbers.get(child.spec.listen_fd) if child.spec.listen_fd is not None else None
        if number is None:
            return
        if child.state.phase is Phase.WAITING:
            self._down.add(number)
            self._apply()
        elif child.state.phase is Phase.RUNNING and number in self._down and number not in self._waiting:
            self._waiting[number] = asyncio.create_task(self._back(child, number))

    async def _back(self, child: Child, number: int) -> None:
        try:
            while child.state.phase is Phase.RUNNING:
                if await self._ready(child):
                    self._down.discard(number)
                    self._apply()
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            del self._waiting[number]

    def _apply(self) -> None:
        everyone = range(len(self._listeners))
        live = [number for number in everyone if number not in self._down] or list(everyone)
        if self._listeners and self._listeners[0].fileno() >= 0:
            steer(self._listeners[0], live)

    def close(self) -> None:
        for task in self._waiting.values():
            task.cancel()
