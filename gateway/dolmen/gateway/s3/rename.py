"""RenameObject: its source and its conditions. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_RenameObject.html

S3 has the operation in directory buckets only; here it works in every bucket that was never versioned.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import msgspec

from dolmen.gateway.s3.conditions import parse_etags
from dolmen.gateway.s3.dates import SECOND_US
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import RenameObjectInput
from dolmen.gateway.s3.names import KEY_BYTES_MAX

SOURCE = "x-amz-rename-source"
_TOKEN = re.compile(r"[\x21-\x7e]{1,64}", re.ASCII)


class Side(msgspec.Struct, frozen=True):
    """The conditions on one of the two keys. ETags without quotes, () when absent; times in microseconds."""

    prefix: str  # of the names of its headers
    if_match: tuple[str, ...]
    if_none_match: tuple[str, ...]
    if_modified_since_us: int | None
    if_unmodified_since_us: int | None

    @property
    def has_times(self) -> bool:
        return self.if_modified_since_us is not None or self.if_unmodified_since_us is not None

    def check(self, etag: str | None, mtime_us: int) -> None:
        """Decide them about an object as it was read; ``etag`` None: there is none. Raises PreconditionFailed.

        If-Match and If-Modified-Since want an object to be there, the two others are content without one.
        """
        seconds = mtime_us // SECOND_US
        since, until = self.if_modified_since_us, self.if_unmodified_since_us
        if self.if_match and (etag is None or ("*" not in self.if_match and etag not in self.if_match)):
            raise self._failed("If-Match")
        if self.if_none_match and etag is not None and ("*" in self.if_none_match or etag in self.if_none_match):
            raise self._failed("If-None-Match")
        if since is not None and (etag is None or seconds <= since // SECOND_US):
            raise self._failed("If-Modified-Since")
        if until is not None and etag is not None and seconds > until // SECOND_US:
            raise self._failed("If-Unmodified-Since")

    def _failed(self, name: str) -> S3Fault:
        condition = f"{self.prefix}{name.lower()}" if self.prefix else name
        return S3Fault("PreconditionFailed", fields=(("Condition", condition),))


def source_side(given: RenameObjectInput) -> Side:
    return Side(
        "x-amz-rename-source-",
        parse_etags(given.source_if_match or ""),
        parse_etags(given.source_if_none_match or ""),
        given.source_if_modified_since,
        given.source_if_unmodified_since,
    )


def target_side(given: RenameObjectInput) -> Side:
    return Side(
        "",
        parse_etags(given.destination_if_match or ""),
        parse_etags(given.destination_if_none_match or ""),
        given.destination_if_modified_since,
        given.destination_if_unmodified_since,
    )


def parse_rename_source(value: str, bucket: str) -> bytes:
    """The key in the header: ``key``, ``/key`` or ``/bucket/key`` of the same bucket, percent-encoded. Raises InvalidArgument."""
    raw = unquote_to_bytes(value)
    if raw.startswith(b"/"):
        raw = raw.removeprefix(b"/").removeprefix(bucket.encode() + b"/")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        raise _argument(SOURCE, value, "Invalid rename source encoding") from error
    if not raw or len(raw) > KEY_BYTES_MAX:
        raise _argument(SOURCE, value, "Invalid rename source object key")
    return raw


def check_names(source: bytes, target: bytes) -> None:
    """Raises InvalidRequest: a name that ends like a directory is not renamed, as in S3."""
    if source.endswith(b"/") or target.endswith(b"/"):
        raise S3Fault("InvalidRequest", "RenameObject does not support keys that end with the delimiter /.")


def check_token(token: str) -> None:
    if not _TOKEN.fullmatch(token):
        raise _argument("x-amz-client-token", token, "The client token must be 1 to 64 ASCII characters from 33 to 126")


def _argument(name: str, value: str, message: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", value)))
