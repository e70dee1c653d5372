"""Listening sockets that outlive workers."""

import collections
import select
import socket

import pytest

from dolmen.cli.dev import listening
from dolmen.cli.dev.home import InUse
from dolmen.cli.dev.listening import bind_one, bind_workers, port_of, reachable_host, url_of
from dolmen.cli.dev.steering import steer
from dolmen.core.errors import ConfigError

CONNECTIONS = 40


@pytest.fixture
def workers():
    made = bind_workers("127.0.0.1:0", 3)
    yield made
    for listener in made:
        listener.close()


def accepted_by(workers):
    """Which sockets the kernel gives connections to."""
    counts = collections.Counter()
    for _ in range(CONNECTIONS):
        client = socket.create_connection(("127.0.0.1", port_of(workers[0])))
        for ready in select.select(workers, [], [], 5)[0]:
            ready.accept()[0].close()
            counts[workers.index(ready)] += 1
        client.close()
    return counts


def test_workers_share_a_port(workers):
    assert len({port_of(each) for each in workers}) == 1
    assert url_of("127.0.0.1:0", workers[0]) == f"http://127.0.0.1:{port_of(workers[0])}"
    assert accepted_by(workers).total() == CONNECTIONS


def test_connections_go_to_the_workers_that_are_up(workers):
    if not steer(workers[0], [0, 2]):
        pytest.skip("this kernel takes no program for a shared port")
    counts = accepted_by(workers)
    assert counts[1] == 0
    assert min(counts[0], counts[2]) > 0
    assert steer(workers[0], [0, 1, 2])
    assert accepted_by(workers)[1] > 0


def test_a_port_in_use_is_told_although_it_could_be_shared(workers, monkeypatch):
    monkeypatch.setattr(listening, "PORT_WAIT_SECONDS", 0.0)
    taken = f"127.0.0.1:{port_of(workers[0])}"
    with pytest.raises(InUse, match=f"{taken} is in use"):
        bind_workers(taken, 2)
    with pytest.raises(InUse):
        bind_one(taken)


def test_an_address_that_is_not_of_this_machine():
    with pytest.raises(ConfigError, match="cannot listen on"):
        bind_one("192.0.2.1:0")


def test_a_wildcard_is_reached_over_loopback():
    assert [reachable_host(host) for host in ("0.0.0.0", "::", "10.0.0.1")] == ["127.0.0.1", "::1", "10.0.0.1"]
