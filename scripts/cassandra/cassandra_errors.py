"""What may go wrong, told in one line each; ``exit_code`` is that of the command line."""

from __future__ import annotations


class CassandraToolError(Exception):
    """A node failed, was late, or cannot be started on this machine."""

    exit_code = 1


class WrongUse(CassandraToolError):
    """Asked for what cannot be: an unknown node, taken ports, another cluster in the same directory."""

    exit_code = 2
