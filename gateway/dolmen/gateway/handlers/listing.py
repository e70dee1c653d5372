"""ListObjects (V1, V2), ListObjectVersions: pages of the listing, in byte order of keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import quote

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.metadata.delimiter import Page, Position, after_key, list_page
from dolmen.gateway.metadata.records import NULL_VERSION, ListRow
from dolmen.gateway.metadata.store import ScanMemo
from dolmen.gateway.metadata.tokens import InvalidToken, decode_token, encode_token
from dolmen.gateway.metadata.versions import seq_of_version_id
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import ListObjectsInput, ListObjectsV2Input, ListObjectVersionsInput
from dolmen.gateway.s3.model.outputs_generated import (
    CommonPrefix,
    DeleteMarkerEntry,
    ListObjectsOutput,
    ListObjectsV2Output,
    ListObjectVersionsOutput,
    Object,
    ObjectVersion,
    Owner,
)
from dolmen.gateway.s3.render import Response, render

PAGE_MAX = 1000  # S3's limit of one page
_SAFE = "/~-._*"  # what S3 leaves as it is with encoding-type=url
TOKEN_KIND = "objects"

Encode = Callable[[str], str]


def page_size(max_keys: int | None) -> int:
    """How many entries a page may have; more than S3's limit is quietly cut to it."""
    return PAGE_MAX if max_keys is None else min(max_keys, PAGE_MAX)


def encoder(encoding_type: str | None) -> Encode:
    """How keys are written. Raises InvalidArgument for another encoding than ``url``."""
    if not encoding_type:
        return _plain
    if encoding_type != "url":
        raise S3Fault(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            fields=(("ArgumentName", "encoding-type"), ("ArgumentValue", encoding_type)),
        )
    return _url


def _plain(text: str) -> str:
    return text


def _url(text: str) -> str:
    return quote(text, safe=_SAFE)


def optional(encode: Encode, text: str | None) -> str | None:
    return None if text is None else encode(text)


def common_prefixes(prefixes: Sequence[bytes], encode: Encode) -> list[CommonPrefix]:
    return [CommonPrefix(prefix=encode(prefix.decode())) for prefix in prefixes]


class Owners:
    """The <Owner> of each row; accounts are few, so each is made once a page."""

    def __init__(self, call: Call) -> None:
        self._find: Callable[[str], Account | None] = call.services.identities.account
        self._made: dict[str, Owner] = {}

    def of(self, account_id: str) -> Owner:
        owner = self._made.get(account_id)
        if owner is None:
            account = self._find(account_id)
            owner = (
                Owner(id=account_id)
                if account is None
                else Owner(display_name=account.display_name, id=account.canonical_id)
            )
            self._made[account_id] = owner
        return owner


async def _page(call: Call, prefix: str, delimiter: str, marker: Position | None, limit: int) -> Page[ListRow]:
    bucket_id = call.bucket.bucket_id
    store = call.services.store
    memo = ScanMemo()
    return await list_page(
        lambda start, end, rows: store.scan(bucket_id, start.key, end, rows, memo),
        prefix=prefix.encode(),
        delimiter=delimiter.encode(),
        marker=marker,
        max_items=limit,
        position_after=_after_row,
    )


def _after_row(row: ListRow) -> Position:
    return after_key(row.key)


def _object(row: ListRow, encode: Encode, owner: Owner | None) -> Object:
    return Object(
        key=encode(row.key.decode()),
        last_modified=row.mtime_us,
        e_tag=f'"{row.etag}"',
        checksum_algorithm=[row.checksum_algorithm] if row.checksum_algorithm else None,
        checksum_type=row.checksum_type or None,
        size=row.size,
        storage_class=row.storage_class,
        owner=owner,
    )


async def list_objects(call: Call, given: ListObjectsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html"""
    encode = encoder(given.encoding_type)
    prefix, delimiter = given.prefix or "", given.delimiter or ""
    limit = page_size(given.max_keys)
    marker = after_key(given.marker.encode()) if given.marker else None
    page = await _page(call, prefix, delimiter, marker, limit)
    owners = Owners(call)
    return render(
        call.operation,
        ListObjectsOutput(
            name=call.bucket_name,
            prefix=encode(prefix),
            marker=encode(given.marker or ""),
            max_keys=limit,
            delimiter=encode(delimiter) if delimiter else None,
            encoding_type=given.encoding_type or None,
            is_truncated=page.truncated,
            next_marker=encode(page.last.decode()) if page.truncated and delimiter else None,
            contents=[_object(row, encode, owners.of(row.owner)) for row in page.rows],
            common_prefixes=common_prefixes(page.common_prefixes, encode),
        ),
    )


def _continue_at(token: str) -> Position:
    try:
        return Position(decode_token(TOKEN_KIND, token))
    except InvalidToken as error:
        raise S3Fault(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            fields=(("ArgumentName", "continuation-token"), ("ArgumentValue", token)),
        ) from error


async def list_objects_v2(call: Call, given: ListObjectsV2Input) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    encode = encoder(given.encoding_type)
    prefix, delimiter = given.prefix or "", given.delimiter or ""
    limit = page_size(given.max_keys)
    marker: Position | None = None
    if given.continuation_token is not None:
        marker = _continue_at(given.continuation_token)
    elif given.start_after:
        marker = after_key(given.start_after.encode())
    page = await _page(call, prefix, delimiter, marker, limit)
    owners = Owners(call) if given.fetch_owner else None
    return render(
        call.operation,
        ListObjectsV2Output(
            name=call.bucket_name,
            prefix=encode(prefix),
            delimiter=encode(delimiter) if delimiter else None,
            max_keys=limit,
            encoding_type=given.encoding_type or None,
            key_count=len(page.rows) + len(page.common_prefixes),
            is_truncated=page.truncated,
            continuation_token=given.continuation_token,
            next_continuation_token=encode_token(TOKEN_KIND, page.next.key) if page.next is not None else None,
            start_after=optional(encode, given.start_after),
            contents=[_object(row, encode, owners.of(row.owner) if owners else None) for row in page.rows],
            common_prefixes=common_prefixes(page.common_prefixes, encode),
        ),
    )


async def _version_marker(call: Call, key_marker: str | None, version_id_marker: str | None) -> Position | None:
    """Where a list of versions goes on: behind a version of ``key_marker``, or behind the key."""
    if not key_marker:
        if version_id_marker:
            raise S3Fault(
                "InvalidArgument",
                "A version-id marker cannot be specified without a key marker.",
                fields=(("ArgumentName", "version-id-marker"), ("ArgumentValue", version_id_marker)),
            )
        return None
    key = key_marker.encode()
    if not version_id_marker:
        return after_key(key)
    seq = seq_of_version_id(version_id_marker)
    if version_id_marker == NULL_VERSION:
        found = await call.services.store.get_version(call.bucket.bucket_id, key, NULL_VERSION)
        if found is None:
            return after_key(key)
        seq = found.seq
    if seq is None:
        raise S3Fault(
            "InvalidArgument",
            "Invalid version id specified",
            fields=(("ArgumentName", "version-id-marker"), ("ArgumentValue", version_id_marker)),
        )
    return Position(key, seq)


async def list_object_versions(call: Call, given: ListObjectVersionsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""
    encode = encoder(given.encoding_type)
    prefix, delimiter = given.prefix or "", given.delimiter or ""
    limit = page_size(given.max_keys)
    marker = await _version_marker(call, given.key_marker, given.version_id_marker)
    bucket_id, store = call.bucket.bucket_id, call.services.store
    memo = ScanMemo()
    page: Page[ListRow] = await list_page(
        lambda start, end, rows: store.scan_versions(
            bucket_id, start.key, start.mark if isinstance(start.mark, int) else None, end, rows, memo
        ),
        prefix=prefix.encode(),
        delimiter=delimiter.encode(),
        marker=marker,
        max_items=limit,
        position_after=lambda row: Position(row.key, row.seq),
    )
    owners = Owners(call)
    next_version = page.rows[-1].version_id if page.truncated and not page.last_is_prefix and page.rows else None
    return render(
        call.operation,
        ListObjectVersionsOutput(
            name=call.bucket_name,
            prefix=encode(prefix),
            key_marker=encode(given.key_marker or ""),
            version_id_marker=given.version_id_marker or "",
            max_keys=limit,
            delimiter=encode(delimiter) if delimiter else None,
            encoding_type=given.encoding_type or None,
            is_truncated=page.truncated,
            next_key_marker=encode(page.last.decode()) if page.truncated else None,
            next_version_id_marker=next_version,
            entries=[
                _marker(row, encode, owners) if row.is_delete_marker else _version(row, encode, owners) for row in page.rows
            ],
            common_prefixes=common_prefixes(page.common_prefixes, encode),
        ),
    )


def _version(row: ListRow, encode: Encode, owners: Owners) -> ObjectVersion:
    return ObjectVersion(
        key=encode(row.key.decode()),
        version_id=row.version_id,
        is_latest=row.is_latest,
        last_modified=row.mtime_us,
        e_tag=f'"{row.etag}"',
        checksum_algorithm=[row.checksum_algorithm] if row.checksum_algorithm else None,
        checksum_type=row.checksum_type or None,
        size=row.size,
        storage_class=row.storage_class,
        owner=owners.of(row.owner),
    )


def _marker(row: ListRow, encode: Encode, owners: Owners) -> DeleteMarkerEntry:
    return DeleteMarkerEntry(
        key=encode(row.key.decode()),
        version_id=row.version_id,
        is_latest=row.is_latest,
        last_modified=row.mtime_us,
        owner=owners.of(row.owner),
    )
