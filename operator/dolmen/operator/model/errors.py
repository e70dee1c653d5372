"""What the models refuse."""

from __future__ import annotations

from dolmen.core.errors import ClientFault


class InvalidResource(ClientFault):
    """A custom resource, or a value in it, cannot be used; the message is one line for a condition."""
