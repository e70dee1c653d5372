"""A policy document, parsed and checked (being written)."""

from __future__ import annotations

import msgspec


class Policy(msgspec.Struct, frozen=True):
    """Statements of one document."""


class PolicyError(ValueError):
    """The document is not a policy; the text is AWS's."""


def parse_policy(text: str | bytes, *, kind: str, bucket: str | None = None) -> Policy:
    raise PolicyError("policies are being written")
