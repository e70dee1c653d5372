"""Errors that know whose fault they are.

Every error of ours is one of four kinds; what a request answers follows from the kind:

* ``ClientFault``: the request cannot succeed as sent (4xx);
* ``Unavailable``: a part of the system is away, a retry may succeed (503);
* ``Unknown``: a time-out; the action may or may not have happened, and nobody may conclude "no" (503);
* ``Corruption``: stored data or an invariant is wrong; somebody has to look (500, alert).

Foreign exceptions are translated where they enter (the module that imports the library), chained with ``from``.
"""

from __future__ import annotations


class DolmenError(Exception):
    """The root of all errors of ours."""


class ClientFault(DolmenError):
    """The caller asked for something that cannot be done."""


class Unavailable(DolmenError):
    """A dependency is away or overloaded; the same call may succeed later."""


class Unknown(Unavailable):
    """The outcome is not known: the action may have happened, or may still happen."""


class Corruption(DolmenError):
    """Stored data, or an invariant, is wrong."""


class ConfigError(DolmenError):
    """A setting, a file or a command line cannot be used; the message is one line for the operator."""
