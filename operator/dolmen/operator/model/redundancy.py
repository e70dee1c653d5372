"""How many losses data survives, and what that asks of the failure domains."""

from __future__ import annotations

from typing import Annotated, Literal

from dolmen.operator.model import fields
from dolmen.operator.model.errors import InvalidResource

REPLICAS_MAX = 8
DATA_MAX = 16  # wider stripes read from too many disks
PARITY_MAX = 8
DOMAINS_MAX = 32  # of a cluster; each has a StatefulSet and a disruption budget in every pool

Backend = Literal["isa_l_rs_cauchy"]


class ErasureCode(fields.Model, frozen=True, kw_only=True):
    """Reed-Solomon: any ``data`` of the fragments are enough."""

    data: Annotated[int, fields.number("Data fragments of a stripe.", 1, DATA_MAX)]
    parity: Annotated[int, fields.number("Parity fragments: so many may be lost.", 1, PARITY_MAX)]
    backend: Annotated[Backend, fields.doc("Library of the code.")] = "isa_l_rs_cauchy"


class Scheme(fields.Model, frozen=True, kw_only=True):
    """Exactly one of copies and erasure code."""

    replicas: Annotated[int, fields.number("Whole copies, the original among them.", 1, REPLICAS_MAX)] | None = None
    ec: Annotated[ErasureCode, fields.doc("Erasure code.")] | None = None

    @property
    def fragments(self) -> int:
        """Fragments of a stripe. Raises ``InvalidResource`` when neither is set."""
        if self.ec is not None:
            return self.ec.data + self.ec.parity
        if self.replicas is None:
            raise InvalidResource("redundancy has neither replicas nor ec")
        return self.replicas

    @property
    def parity(self) -> int:
        """Fragments that may be lost. Raises ``InvalidResource`` when neither is set."""
        return self.fragments - (self.ec.data if self.ec is not None else 1)


class Redundancy(Scheme, frozen=True, kw_only=True):
    """The scheme of a cluster, and what placement must survive."""

    max_domain_loss: Annotated[
        int, fields.number("So many whole failure domains may be lost without loss of data.", 0, PARITY_MAX)
    ] = 1

    @property
    def fragments_per_domain_max(self) -> int | None:
        """No domain may hold more of a stripe; None: any number, as no loss of a domain has to be survived."""
        return self.parity // self.max_domain_loss if self.max_domain_loss else None

    @property
    def domains_min(self) -> int:
        """The fewest domains with which placement keeps the promise. Raises ``InvalidResource`` when there is no such number."""
        most = self.fragments_per_domain_max
        if most is None:
            return 1
        if most == 0:
            raise InvalidResource(f"{self.parity} parity fragments cannot survive the loss of {self.max_domain_loss} domains")
        return -(-self.fragments // most)


# Any two disks of six may be lost, for 1.5 times the space: the default of the programs too.
DEFAULT_REDUNDANCY = Redundancy(ec=ErasureCode(data=4, parity=2))
