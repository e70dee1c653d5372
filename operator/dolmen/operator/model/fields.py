"""How the models say what a field means and how large it may be: each makes the ``msgspec.Meta`` of one field.

The text becomes the OpenAPI description, the bounds its validation (``dolmen.operator.crd.schema``); msgspec checks them when it
decodes. Everything is bounded, because the API server estimates the cost of CEL rules from these bounds.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#resource-use-by-validation-functions
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

NAME_MAX = 253  # DNS-1123 subdomain: names of most objects
LABEL_MAX = 63  # DNS-1123 label, and a label's value
LABEL_KEY_MAX = 317  # prefix of 253, a slash, name of 63
LABELS_MAX = 32  # more than a pod carries in practice
ANNOTATION_MAX = 4096
TIME_MAX = 32  # an RFC 3339 time with fractions and an offset
QUANTITY_MAX = 24  # digits of 2**63, a point, a suffix
DURATION_MAX = 24  # four units of five digits
URL_MAX = 2048
SECRET_KEY_MAX = 253  # a key of a Secret's data
INT32_MAX = 2**31 - 1
INT64_MAX = 2**62  # largest power of two of a signed 64-bit number: exact as the float that OpenAPI's "maximum" is

LABEL_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
SECRET_KEY_PATTERN = r"^[-._a-zA-Z0-9]+$"
# Kubernetes' quantities without a sign: nothing here may be negative.
QUANTITY_PATTERN = r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$"
BYTES_PATTERN = r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE]|[eE][0-9]{1,2})?$"
DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"  # GEP-2257: the part of Go's syntax that everybody reads alike
TIME_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$"

MAP = "map"
SET = "set"
ATOMIC = "atomic"


class Model(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=False):
    """The root of all models. What is not known is ignored: the API server has pruned it, or is newer than we are."""


def text(doc: str, most: int, *, least: int | None = None, pattern: str | None = None) -> Meta:
    """A string of ``least`` to ``most`` characters."""
    return Meta(description=doc, min_length=least, max_length=most, pattern=pattern)


def label(doc: str, most: int = LABEL_MAX) -> Meta:
    """A DNS-1123 label."""
    return text(doc, most, least=1, pattern=LABEL_PATTERN)


def name(doc: str) -> Meta:
    """The name of an object of Kubernetes (DNS-1123 subdomain)."""
    return text(doc, NAME_MAX, least=1, pattern=NAME_PATTERN)


def label_key(doc: str) -> Meta:
    return text(doc, LABEL_KEY_MAX, least=1, pattern=LABEL_KEY_PATTERN)


def label_value(doc: str) -> Meta:
    return text(doc, LABEL_MAX, pattern=LABEL_VALUE_PATTERN)


def secret_key(doc: str) -> Meta:
    return text(doc, SECRET_KEY_MAX, least=1, pattern=SECRET_KEY_PATTERN)


def duration(doc: str) -> Meta:
    """A duration such as 1h30m."""
    return text(doc, DURATION_MAX, least=2, pattern=DURATION_PATTERN)


def size(doc: str) -> Meta:
    """A quantity of bytes that CEL compares, as a string.

    Not int-or-string: a rule would have to tell two types apart, and API servers that estimate such a field at 3 MiB, whatever
    its maxLength is, refuse one comparison inside a list.
    """
    return text(doc, QUANTITY_MAX, least=1, pattern=BYTES_PATTERN)


def time(doc: str) -> Meta:
    """A time of RFC 3339 (OpenAPI's date-time)."""
    return Meta(description=doc, max_length=TIME_MAX, pattern=TIME_PATTERN, extra={"format": "date-time"})


def number(doc: str, least: int, most: int) -> Meta:
    """A whole number within bounds, both of them allowed."""
    return Meta(description=doc, ge=least, le=most)


def doc(meaning: str) -> Meta:
    """A switch, a choice, a quantity or an object: their types have all the bounds."""
    return Meta(description=meaning)


def listed(meaning: str, most: int, *, least: int | None = None, keys: tuple[str, ...] = (), unique: bool = False) -> Meta:
    """A list: a map by ``keys``, a set when ``unique``, else atomic."""
    kind = MAP if keys else SET if unique else ATOMIC
    return Meta(description=meaning, min_length=least, max_length=most, extra={"list": kind, "keys": keys})


def mapping(meaning: str, most: int) -> Meta:
    """A map from strings of at most ``most`` entries."""
    return Meta(description=meaning, max_length=most)


# A quantity as Kubernetes takes it everywhere: a number, or text with a suffix.
Quantity = Annotated[int, Meta(ge=0, le=INT64_MAX)] | Annotated[str, Meta(max_length=QUANTITY_MAX, pattern=QUANTITY_PATTERN)]
ByteQuantity = Annotated[int, Meta(ge=0, le=INT64_MAX)] | Annotated[str, Meta(max_length=QUANTITY_MAX, pattern=BYTES_PATTERN)]
LabelValue = Annotated[str, label_value("A label's value.")]
AnnotationValue = Annotated[str, text("An annotation's value.", ANNOTATION_MAX)]
