"""Ids of versions and uploads: opaque to clients, decodable by us."""

from __future__ import annotations

import base64
import binascii
import secrets

from dolmen.gateway.metadata.records import NULL_VERSION

_SEQ_BYTES = 7  # microseconds until the year 4253
_RANDOM_BYTES = 8  # nobody guesses the id of a version
_VERSION_ID_CHARS = 24  # 15 bytes in base32, no padding

_UPLOAD_TIME_BYTES = 8
_UPLOAD_RANDOM_BYTES = 17  # 25 bytes in all: 40 characters, no padding


def new_version_id(seq: int) -> str:
    """A fresh id of the version with sequence ``seq``: 24 characters of base32, never "null"."""
    raw = seq.to_bytes(_SEQ_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
    return base64.b32encode(raw).decode()


def seq_of_version_id(version_id: str) -> int | None:
    """The sequence in an id made by ``new_version_id``; None for "null" and for whatever is no id of ours."""
    if version_id == NULL_VERSION or len(version_id) != _VERSION_ID_CHARS:
        return None
    try:
        raw = base64.b32decode(version_id)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(raw[:_SEQ_BYTES], "big")


def new_upload_id(initiated_us: int) -> str:
    """A fresh upload id; ids sort by the time of initiation, as ListMultipartUploads does."""
    raw = initiated_us.to_bytes(_UPLOAD_TIME_BYTES, "big") + secrets.token_bytes(_UPLOAD_RANDOM_BYTES)
    return base64.b32hexencode(raw).decode().lower()
