"""The name service: which names there are, and messages that are as RFC 1035 says, whatever arrives."""

import socket
import socketserver
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_dns import _handlers, _Known
from kube_dns_records import (
    PTR,
    QUERY_BYTES_MAX,
    SRV,
    UDP_REPLY_BYTES_MAX,
    A,
    MalformedQuery,
    answer,
    encode_name,
    records,
)

NO_SUCH_NAME, TRUNCATED = 3, 0x0200


def service(name, cluster_ip, ports=(), **spec):
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": {"clusterIP": cluster_ip, "ports": list(ports), **spec}}


def pods(of, endpoints, ports=()):
    labels = {"kubernetes.io/service-name": of}
    listed = [
        {"addresses": [address], "conditions": {"ready": ready}, **({"hostname": host} if host else {})}
        for address, host, ready in endpoints
    ]
    return {"metadata": {"namespace": "ns", "labels": labels}, "endpoints": listed, "ports": list(ports)}


def query(name, kind, number=0x1234):
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + encode_name(name) + struct.pack("!2H", kind, 1)


def ask(known, name, kind=A, **limits):
    """Code, flags and data of the records of a reply, whose form is checked."""
    asked = query(name, kind)
    reply = answer(asked, known, **limits)
    number, flags, questions, count, *rest = struct.unpack_from("!6H", reply)
    assert (number, questions, rest) == (0x1234, 1, [0, 0])
    assert flags & 0x8400 == 0x8400
    assert flags & 0x0100
    assert reply[12 : len(asked)] == asked[12:]
    at, data = len(asked), []
    for _ in range(count):
        pointer, _, _, _, length = struct.unpack_from("!3HIH", reply, at)
        assert pointer == 0xC00C
        data.append(reply[at + 12 : at + 12 + length])
        at += 12 + length
    assert at == len(reply)
    return flags & 0xF, flags, data


@pytest.fixture
def known():
    port = {"name": "s3", "port": 9000, "protocol": "TCP"}
    return records(
        [service("web", "198.19.0.9", [port]), service("db", "None"), service("out", "", type="ExternalName")],
        [
            pods("db", [("198.18.129.2", "db-0", True), ("198.18.130.2", "db-1", False), ("198.18.131.2", None, True)], [port]),
            pods("web", [("198.18.129.9", "web-0", True)]),
        ],
    )


def test_a_service_has_its_address_and_its_port(known):
    assert ask(known, "web.ns.svc.cluster.local")[2] == [socket.inet_aton("198.19.0.9")]
    assert ask(known, "WEB.NS.svc.Cluster.Local")[2] == [socket.inet_aton("198.19.0.9")]
    (data,) = ask(known, "_s3._tcp.web.ns.svc.cluster.local", SRV)[2]
    assert data == struct.pack("!3H", 0, 100, 9000) + encode_name("web.ns.svc.cluster.local")
    assert ask(known, "9.0.19.198.in-addr.arpa", PTR)[2] == [encode_name("web.ns.svc.cluster.local")]


def test_ready_pods_of_a_headless_service_have_names_and_others_have_none(known):
    ready = [socket.inet_aton("198.18.129.2"), socket.inet_aton("198.18.131.2")]
    assert ask(known, "db.ns.svc.cluster.local")[2] == ready
    assert ask(known, "db-0.db.ns.svc.cluster.local")[2] == ready[:1]
    assert ask(known, "198-18-131-2.db.ns.svc.cluster.local")[2] == ready[1:]
    assert ask(known, "db-1.db.ns.svc.cluster.local")[0] == NO_SUCH_NAME
    assert ask(known, "web-0.web.ns.svc.cluster.local")[0] == NO_SUCH_NAME


def test_pods_that_are_not_ready_have_names_where_the_service_says_so():
    """As members of a database find each other before they are ready."""
    headless = service("db", "None", publishNotReadyAddresses=True)
    known = records([headless], [pods("db", [("198.18.129.2", "db-0", False)])])
    assert ask(known, "db-0.db.ns.svc.cluster.local")[2] == [socket.inet_aton("198.18.129.2")]


def test_a_headless_service_without_pods_has_a_name():
    """No such name would be remembered by clients for longer than the pods need."""
    assert ask(records([service("db", "None")], []), "db.ns.svc.cluster.local")[::2] == (0, [])
    assert ask({}, "example.org")[0] == NO_SUCH_NAME


def test_what_is_too_long_is_asked_for_again_over_tcp():
    endpoints = [(f"198.18.129.{number}", f"db-{number}", True) for number in range(1, 100)]
    known = records([service("db", "None")], [pods("db", endpoints)])
    code, flags, data = ask(known, "db.ns.svc.cluster.local", bytes_max=UDP_REPLY_BYTES_MAX)
    assert (code, flags & TRUNCATED, data) == (0, TRUNCATED, [])
    _, flags, data = ask(known, "db.ns.svc.cluster.local")
    assert (flags & TRUNCATED, len(data)) == (0, 99)


@given(st.binary(max_size=80))
def test_any_bytes_are_answered_or_refused(data):
    try:
        reply = answer(data, {})
    except MalformedQuery:
        return
    assert reply[:2] == data[:2]


def test_long_messages_are_not_looked_at():
    with pytest.raises(MalformedQuery):
        answer(query("a", A).ljust(QUERY_BYTES_MAX + 1, b"\0"), {})


def test_questions_are_answered_over_udp_and_tcp(known):
    """As the service does it, on a port of loopback; what is no question ends neither."""
    served = _Known()
    served.records = known
    udp_handler, tcp_handler = _handlers(served)
    asked = query("web.ns.svc.cluster.local", A)
    expected = answer(asked, known)
    with (
        socketserver.UDPServer(("127.0.0.1", 0), udp_handler) as udp,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), tcp_handler) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        for server in (udp, tcp):
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        client.settimeout(10)
        client.sendto(b"\0", udp.server_address)
        client.recv(4096)  # an empty datagram
        client.sendto(asked, udp.server_address)
        assert client.recv(4096) == expected
        for message in (b"\0\x01x", struct.pack("!H", len(asked)) + asked):
            with socket.create_connection(tcp.server_address, timeout=10) as stream, stream.makefile("rwb") as file:
                file.write(message)
                file.flush()
                told = file.read()
        assert told == struct.pack("!H", len(expected)) + expected
        for server in (udp, tcp):
            server.shutdown()
