"""Tags of buckets and objects within S3's rules. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from dolmen.gateway.s3.fault import S3Fault

OBJECT_TAGS_MAX = 10  # S3's limits
BUCKET_TAGS_MAX = 50
KEY_CHARACTERS_MAX = 128
VALUE_CHARACTERS_MAX = 256
_SIGNS = frozenset("_.:/=+-@")
_CLASSES = frozenset("LNZ")  # letters, numbers, separators of every script

Pairs = Sequence[tuple[str, str]]


def check_object_tags(pairs: Pairs) -> dict[str, str]:
    """Raises BadRequest (too many), InvalidTag (fields TagKey, TagValue)."""
    if len(pairs) > OBJECT_TAGS_MAX:
        raise S3Fault("BadRequest", f"Object tags cannot be greater than {OBJECT_TAGS_MAX}")
    return _checked(pairs, "Your TagKey cannot be prefixed with aws:")


def check_bucket_tags(pairs: Pairs) -> dict[str, str]:
    """Raises BadRequest (too many), InvalidTag (fields TagKey, TagValue)."""
    if len(pairs) > BUCKET_TAGS_MAX:
        raise S3Fault("BadRequest", f"Bucket tag count cannot be greater than {BUCKET_TAGS_MAX}")
    return _checked(pairs, "System tags cannot be added/updated by requester")


def _checked(pairs: Pairs, system: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for key, value in pairs:
        if key in tags:
            raise _invalid("Cannot provide multiple Tags with the same key", key)
        if key[:4].lower() == "aws:":
            raise _invalid(system, key)
        if not 0 < len(key) <= KEY_CHARACTERS_MAX or not _is_clean(key):
            raise _invalid("The TagKey you have provided is invalid", key)
        if len(value) > VALUE_CHARACTERS_MAX or not _is_clean(value):
            fields = (("TagKey", key), ("TagValue", value))
            raise S3Fault("InvalidTag", "The TagValue you have provided is invalid", fields=fields)
        tags[key] = value
    return tags


def _invalid(message: str, key: str) -> S3Fault:
    return S3Fault("InvalidTag", message, fields=(("TagKey", key),))


def _is_clean(text: str) -> bool:
    if text.isalnum() or not text:
        return True
    return all(sign in _SIGNS or unicodedata.category(sign)[0] in _CLASSES for sign in text)
