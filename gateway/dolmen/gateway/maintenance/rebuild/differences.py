"""A difference between what the volumes say and what the rows say, and the field by field comparison of records. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.objects.description import HEADERS

ROWS_ONLY: Literal["rows only"] = "rows only"
VOLUMES_ONLY: Literal["volumes only"] = "volumes only"
DIFFERENT: Literal["different"] = "different"
TEXT_MAX = 200  # of a value that is told; what is longer is told by its length

Kind = Literal["rows only", "volumes only", "different"]


class FieldDifference(msgspec.Struct, frozen=True):
    """What each side says; "" for nothing."""

    field: str
    rows: str
    volumes: str


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that the two sides do not agree about. Written as JSON: bytes that are no UTF-8 are escaped."""

    kind: Kind
    what: str  # "bucket", "version", "delete marker", "upload", "part", "write"
    bucket: str  # name, or the id in hex when nothing tells the name
    reason: str
    key: str = ""
    version_id: str = ""
    upload_id: str = ""
    part_number: int = 0
    write_id: str = ""  # hex, of a write that is in the volumes only
    fields: tuple[FieldDifference, ...] = ()
    taken: bool = False  # a rebuild makes rows of it


def text_of(value: Any) -> str:  # noqa: ANN401 - any field of a record
    """One value, for people."""
    if isinstance(value, bytes):
        text = base64.b64encode(value).decode()
    elif isinstance(value, str):
        text = value
    elif value is None:
        text = ""
    else:
        text = msgspec.json.encode(value).decode()
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}... ({len(text)} characters)"


def key_text(key: bytes) -> str:
    """A key for people; they are UTF-8, whatever fragments of a broken writer say."""
    return key.decode("utf-8", "backslashreplace")


def compared(prefix: str, rows: msgspec.Struct, volumes: msgspec.Struct, left_out: Iterable[str]) -> list[FieldDifference]:
    """The fields of two records of one type that differ, but for ``left_out``."""
    skipped = frozenset(left_out)
    found = []
    for name in rows.__struct_fields__:
        one, other = getattr(rows, name), getattr(volumes, name)
        if name not in skipped and one != other:
            found.append(FieldDifference(prefix + name, text_of(one), text_of(other)))
    return found


def field(name: str, rows: object, volumes: object) -> list[FieldDifference]:
    """One field, when it differs."""
    return [] if rows == volumes else [FieldDifference(name, text_of(rows), text_of(volumes))]


_HEADER_FIELDS = (
    "content_type",
    "cache_control",
    "content_disposition",
    "content_encoding",
    "content_language",
    "expires",
    "website_redirect",
)


def fields_left_out(left_out: Iterable[str]) -> frozenset[str]:
    """Fields of attributes and mutable part that a description did not have room for."""
    found: set[str] = set()
    for name in left_out:
        found.update(_HEADER_FIELDS if name == HEADERS else (name,))
    return frozenset(found)


def bucket_difference(row: BucketRecord | None, facts: BucketRecord | None) -> Difference | None:
    """What the two sides say of one bucket; ``facts``: as its newest write saw it."""
    if row is None:
        assert facts is not None
        return Difference(
            kind=VOLUMES_ONLY, what="bucket", bucket=facts.name, reason="its row is lost, or it was deleted", taken=True
        )
    if facts is None:
        return Difference(kind=ROWS_ONLY, what="bucket", bucket=row.name, reason="nothing of it is in the volumes")
    fields = [
        *field("owner", row.owner, facts.owner),
        *field("region", row.region, facts.region),
        *field("created_us", row.created_us, facts.created_us),
        *field("versioning", row.versioning.name, facts.versioning.name),
        *field("object_lock", row.object_lock, facts.object_lock),
        *field("mfa_delete", row.mfa_delete, False),
        *field("config", sorted(row.config), []),
    ]
    if not fields:
        return None
    reason = "its settings are in its row only, and may have changed after the last write"
    return Difference(kind=DIFFERENT, what="bucket", bucket=row.name, reason=reason, fields=tuple(fields))
