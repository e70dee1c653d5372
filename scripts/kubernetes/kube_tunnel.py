"""Carry TCP connections from a loopback port into a network namespace: kube_tunnel.py PORT NETNS HOST:PORT.

The listening socket is made before the namespace is entered and stays outside; all that it connects to is inside. So nothing on
this machine needs a route to the cluster's addresses, and no packet for them can leave it.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys

CHUNK_BYTES = 1 << 18
BACKLOG = 512
_CLONE_NEWNET = 0x40000000  # setns(2)


def split_target(target: str) -> tuple[str, int]:
    """Host and port of HOST:PORT; ValueError for anything else."""
    host, colon, port = target.rpartition(":")
    if not host or not colon or not 0 < int(port) < 65536:
        raise ValueError(f"{target} is not HOST:PORT")
    return host, int(port)


def enter(netns: str) -> None:
    """Let this thread, and those that it starts, be in a network namespace. OSError when there is none of this name."""
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    try:
        if libc.setns(namespace, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {netns}")
    finally:
        os.close(namespace)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, until its end, which is passed on."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()


async def serve(port: int, netns: str, target: str) -> None:
    host, inner = split_target(target)
    listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    enter(netns)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inside_reader, inside_writer = await asyncio.open_connection(host, inner)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, inside_writer), _pump(inside_reader, writer))
        inside_writer.close()
        writer.close()

    async with await asyncio.start_server(carry, sock=listener) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
