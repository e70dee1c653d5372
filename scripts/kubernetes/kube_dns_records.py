"""Which names a cluster has, and the answers to questions about them. Decided without I/O.

Names as the specification of Kubernetes' DNS-based service discovery gives them (kubernetes/dns, docs/specification.md), messages
as in RFC 1035. Services and pods behind headless ones have names; nothing else resolves.
"""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from typing import Any

from kube_api import Objects

ZONE = "cluster.local"
A, PTR, SRV, ANY = 1, 12, 33, 255
TTL_SECONDS = 5
UDP_REPLY_BYTES_MAX = 1232  # what passes every network in one piece (DNS flag day 2020); the rest is asked for again over TCP
QUERY_BYTES_MAX = 4096  # a question with its options; longer ones are not looked at
_HEADER_BYTES = 12
_QUESTION_TAIL_BYTES = 4  # type and class
_NAME_OF_QUESTION = 0xC00C  # a pointer to the name at offset 12
_ANSWER_FLAGS = 0x8400  # an answer, and with authority
_TRUNCATED, _RECURSION_DESIRED, _NO_SUCH_NAME = 0x0200, 0x0001, 3
Records = dict[tuple[str, int], list[bytes]]


class MalformedQuery(Exception):
    """No DNS message with a question."""


def encode_name(name: str) -> bytes:
    """A name as labels with their lengths (RFC 1035, 3.1)."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def service_name(name: str, namespace: str) -> str:
    return f"{name}.{namespace}.svc.{ZONE}"


class _Names:
    """Records while they are collected."""

    def __init__(self) -> None:
        self.found: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)

    def add(self, name: str, address: str, ports: list[dict[str, Any]], target: str) -> None:
        """``target`` at ``address`` is one of those that ``name`` stands for."""
        data = socket.inet_aton(address)
        for owner in dict.fromkeys((name, target)):
            if data not in self.found[owner, A]:
                self.found[owner, A].append(data)
        reverse = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
        self.found[reverse, PTR].append(encode_name(target))
        for port in ports:
            if port.get("name"):
                owner = f"_{port['name']}._{port.get('protocol', 'TCP').lower()}.{name}"
                self.found[owner, SRV].append(struct.pack("!3H", 0, 100, port["port"]) + encode_name(target))


def records(services: Objects, slices: Objects) -> Records:
    """(name, type) to the data of its records, from Services and EndpointSlices. A headless Service without pods has a name."""
    names = _Names()
    publishing: dict[str, bool] = {}  # headless Services, and whether pods that are not ready have names
    for service in services:
        meta, spec = service["metadata"], service["spec"]
        name = service_name(meta["name"], meta["namespace"])
        if spec.get("type") == "ExternalName":
            continue
        if spec.get("clusterIP", "None") == "None":
            publishing[name] = bool(spec.get("publishNotReadyAddresses"))
            names.found[name, A] = []
        else:
            names.add(name, spec["clusterIP"], spec.get("ports", []), name)
    for part in slices:
        meta = part["metadata"]
        name = service_name(str(meta.get("labels", {}).get("kubernetes.io/service-name")), meta["namespace"])
        if name not in publishing:
            continue
        for endpoint in part.get("endpoints") or []:
            if endpoint.get("conditions", {}).get("ready") or publishing[name]:
                for address in endpoint["addresses"]:
                    host = endpoint.get("hostname") or address.replace(".", "-")
                    names.add(name, address, part.get("ports") or [], f"{host}.{name}")
    return dict(names.found)


def _question(query: bytes) -> tuple[str, int, bytes]:
    """Name in lower case, type, and the bytes of the question. MalformedQuery when there is none."""
    at, labels = _HEADER_BYTES, []
    try:
        while length := query[at]:
            label = query[at + 1 : at + 1 + length]
            if length > 63 or len(label) < length:
                raise MalformedQuery
            labels.append(label.decode("ascii", "replace").lower())
            at += length + 1
        (kind,) = struct.unpack_from("!H", query, at + 1)
    except (IndexError, struct.error) as error:
        raise MalformedQuery from error
    return ".".join(labels), kind, query[_HEADER_BYTES : at + 1 + _QUESTION_TAIL_BYTES]


def answer(query: bytes, known: Records, *, bytes_max: int | None = None) -> bytes:
    """The reply to one DNS message. One longer than ``bytes_max`` has no records, and says that it was cut off.

    MalformedQuery when the message holds no question, or is longer than QUERY_BYTES_MAX.
    """
    if len(query) > QUERY_BYTES_MAX:
        raise MalformedQuery
    name, kind, question = _question(query)
    found = [(one, data) for one in (A, PTR, SRV) if kind in {one, ANY} for data in known.get((name, one), [])]
    exists = any((name, one) in known for one in (A, PTR, SRV))
    flags = _ANSWER_FLAGS | (query[2] & _RECURSION_DESIRED) << 8 | (0 if exists else _NO_SUCH_NAME)
    body = b"".join(struct.pack("!3HIH", _NAME_OF_QUESTION, one, 1, TTL_SECONDS, len(data)) + data for one, data in found)
    count = len(found)
    if bytes_max is not None and _HEADER_BYTES + len(question) + len(body) > bytes_max:
        flags, body, count = flags | _TRUNCATED, b"", 0
    return query[:2] + struct.pack("!5H", flags, 1, count, 0, 0) + question + body
