"""What a client says about an object, checked: system metadata, user metadata, storage class, tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from dolmen.gateway.metadata.records import Attributes
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.storage_classes import STORAGE_CLASSES
from dolmen.gateway.s3.tagging import check_object_tags

HEADER_BYTES_MAX = 8 * 1024  # S3's limit on the headers of a PUT: bounds what a row of metadata can hold
USER_METADATA_BYTES_MAX = 2 * 1024  # S3's limit on names and values together
_TAG_FIELDS_MAX = 1000  # of x-amz-tagging: enough to tell too many tags from a broken header


def user_metadata(headers: Mapping[str, str]) -> dict[str, str]:
    """``x-amz-meta-*`` by name; raises MetadataTooLarge."""
    found = {name[11:]: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
    if found:
        size = sum(len(name.encode()) + len(value.encode()) for name, value in found.items())
        if size > USER_METADATA_BYTES_MAX:
            raise S3Fault(
                "MetadataTooLarge",
                fields=(("Size", str(size)), ("MaxSizeAllowed", str(USER_METADATA_BYTES_MAX))),
            )
    return found


def storage_class(headers: Mapping[str, str]) -> str:
    """The class asked for; raises InvalidStorageClass for names that S3 does not know."""
    name = headers.get("x-amz-storage-class", "STANDARD")
    if name not in STORAGE_CLASSES:
        raise S3Fault("InvalidStorageClass", fields=(("StorageClassRequested", name),))
    return name


def content_encoding(value: str) -> str:
    """``aws-chunked`` describes the transfer, not the object: it is never stored."""
    kept = [token.strip() for token in value.split(",") if token.strip().lower() != "aws-chunked"]
    return ",".join(token for token in kept if token)


def attributes_of(headers: Mapping[str, str]) -> Attributes:
    """Attributes of a new object from the headers of PutObject, CreateMultipartUpload or a replacing copy."""
    if sum(map(len, headers.values())) > HEADER_BYTES_MAX:
        raise S3Fault("RequestHeaderSectionTooLarge", fields=(("MaxSizeAllowed", str(HEADER_BYTES_MAX)),))
    return Attributes(
        content_type=headers.get("content-type", ""),
        cache_control=headers.get("cache-control", ""),
        content_disposition=headers.get("content-disposition", ""),
        content_encoding=content_encoding(headers.get("content-encoding", "")),
        content_language=headers.get("content-language", ""),
        expires=headers.get("expires", ""),
        website_redirect=_redirect(headers.get("x-amz-website-redirect-location", "")),
        user_metadata=user_metadata(headers),
        storage_class=storage_class(headers),
    )


def _redirect(value: str) -> str:
    if value and not value.startswith(("/", "http://", "https://")):
        raise S3Fault("InvalidRedirectLocation")
    return value


def check_tags(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Tags of an object within S3's limits. Raises BadRequest, InvalidTag."""
    return check_object_tags(pairs)


def tags_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The tags of ``x-amz-tagging`` (a query string); raises InvalidArgument, InvalidTag."""
    text = headers.get("x-amz-tagging")
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=_TAG_FIELDS_MAX)
    except ValueError as error:
        raise S3Fault(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters "
            "without tag name duplicates.",
            fields=(("ArgumentName", "x-amz-tagging"), ("ArgumentValue", text)),
        ) from error
    return check_object_tags(pairs)
