"""Loopback nets for test clusters: each cluster listens on three addresses of its own, so that any number runs side by side."""

from __future__ import annotations

import random
import socket

from cassandra_errors import CassandraToolError, WrongUse
from cassandra_process import refuse_taken_ports
from cassandra_settings import ClusterSettings

NETS = tuple(f"127.77.{third}" for third in range(256))  # more clusters than a machine has memory for
RESERVATION_PORT = 7199  # UDP, of a net's first address: bound as long as a process means to use the net


def reserve_net() -> tuple[str, socket.socket]:
    """A net that nothing listens on, and the socket that reserves it until it is closed or this process ends.

    The kernel gives an address to one socket only, among all users of the machine. CassandraToolError when all nets are taken.
    """
    for net in random.sample(NETS, len(NETS)):
        reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            reservation.bind((f"{net}.1", RESERVATION_PORT))
            settings = ClusterSettings(cache="", nodes=3, net=net)
            for node in settings.numbers:
                refuse_taken_ports(settings, node)
        except (OSError, WrongUse):
            reservation.close()
            continue
        return net, reservation
    raise CassandraToolError(f"none of {len(NETS)} loopback nets is free")
