"""Whether a node serves: a few frames of the native protocol (version 4), so that no driver is needed."""

from __future__ import annotations

import contextlib
import socket
import struct
from io import BufferedRWPair

from cassandra_settings import NATIVE_PORT, ClusterSettings

ANSWER_SECONDS = 5.0
_STARTUP, _OPTIONS, _SUPPORTED, _QUERY, _RESULT = 0x01, 0x05, 0x06, 0x07, 0x08
_CONSISTENCY = {1: 0x01, 2: 0x04, 3: 0x05}  # of so many answering replicas out of three (or of one): ONE, QUORUM, ALL
_SKIP_METADATA = 0x02
_REPLICATED = "SELECT view_name FROM system_distributed.view_build_status WHERE keyspace_name='-' AND view_name='-'"


def is_ready(settings: ClusterSettings, node: int, running: int) -> bool:
    """True once ``node`` answers, lists its peers, and reads from as many replicas as there are nodes ``running``.

    The list alone survives restarts, and an answer alone is too early: the node may not see its peers yet.
    """
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, struct.error):
        connection = stack.enter_context(socket.create_connection((settings.address(node), NATIVE_PORT), ANSWER_SECONDS))
        link = stack.enter_context(connection.makefile("rwb"))
        answered = _exchange(link, _OPTIONS, b"")[0] == _SUPPORTED
        _exchange(link, _STARTUP, b"\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0")
        peers = _count_rows(link, "SELECT peer FROM system.peers_v2", 1)
        return answered and peers == settings.nodes - 1 and _count_rows(link, _REPLICATED, running) is not None
    return False


def _exchange(link: BufferedRWPair, opcode: int, body: bytes) -> tuple[int, bytes]:
    """Send one frame; the opcode and body of the answer."""
    link.write(struct.pack(">BBhBi", 0x04, 0, 0, opcode, len(body)) + body)
    link.flush()
    *_, answer, length = struct.unpack(">BBhBi", link.read(9))
    return answer, link.read(length)


def _count_rows(link: BufferedRWPair, statement: str, replicas: int) -> int | None:
    """Rows that a query returns when so many replicas must answer; None when it is refused."""
    text = struct.pack(">i", len(statement)) + statement.encode()
    answer, body = _exchange(link, _QUERY, text + struct.pack(">HB", _CONSISTENCY[replicas], _SKIP_METADATA))
    return struct.unpack_from(">i", body, 12)[0] if answer == _RESULT else None  # after kind, flags and column count
