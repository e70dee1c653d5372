"""ListMultipartUploads and ListParts."""

from __future__ import annotations

from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.handlers.call import Call
from dolmen.gateway.handlers.headers import checksum_members
from dolmen.gateway.handlers.lifecycle import abort_members
from dolmen.gateway.handlers.listing import common_prefixes, encoder, page_size
from dolmen.gateway.handlers.multipart import find_upload
from dolmen.gateway.metadata.delimiter import Page, Position, after_key, list_page
from dolmen.gateway.metadata.records import UploadRow
from dolmen.gateway.s3.model.inputs_generated import ListMultipartUploadsInput, ListPartsInput
from dolmen.gateway.s3.model.outputs_generated import (
    Initiator,
    ListMultipartUploadsOutput,
    ListPartsOutput,
    MultipartUpload,
    Owner,
    Part,
)
from dolmen.gateway.s3.render import Response, render


async def list_multipart_uploads(call: Call, given: ListMultipartUploadsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html

    An upload-id-marker counts only beside a key-marker, as S3 documents.
    """
    encode = encoder(given.encoding_type)
    prefix, delimiter = given.prefix or "", given.delimiter or ""
    limit = page_size(given.max_uploads)
    marker: Position | None = None
    if given.key_marker:
        key = given.key_marker.encode()
        marker = Position(key, given.upload_id_marker) if given.upload_id_marker else after_key(key)
    bucket_id, store = call.bucket.bucket_id, call.services.store
    page: Page[UploadRow] = await list_page(
        lambda start, end, rows: store.list_uploads(
            bucket_id, start.key, start.mark if isinstance(start.mark, str) else "", end, rows
        ),
        prefix=prefix.encode(),
        delimiter=delimiter.encode(),
        marker=marker,
        max_items=limit,
        position_after=lambda row: Position(row.key, row.upload_id),
    )
    next_upload = page.rows[-1].upload_id if page.truncated and not page.last_is_prefix and page.rows else None
    return render(
        call.operation,
        ListMultipartUploadsOutput(
            bucket=call.bucket_name,
            key_marker=encode(given.key_marker or ""),
            upload_id_marker=given.upload_id_marker or "",
            next_key_marker=encode(page.last.decode()) if page.truncated else None,
            next_upload_id_marker=next_upload,
            prefix=encode(prefix),
            delimiter=encode(delimiter) if delimiter else None,
            encoding_type=given.encoding_type or None,
            max_uploads=limit,
            is_truncated=page.truncated,
            uploads=[
                MultipartUpload(
                    upload_id=row.upload_id,
                    key=encode(row.key.decode()),
                    initiated=row.initiated_us,
                    storage_class=row.storage_class,
                    owner=_owner(call, row.owner),
                    initiator=_initiator(call, row.initiator),
                    checksum_algorithm=row.checksum_algorithm or None,
                    checksum_type=row.checksum_type or None,
                )
                for row in page.rows
            ],
            common_prefixes=common_prefixes(page.common_prefixes, encode),
        ),
    )


def _account(call: Call, account_id: str) -> Account | None:
    return call.services.identities.account(account_id)


def _owner(call: Call, account_id: str) -> Owner:
    account = _account(call, account_id)
    return Owner(id=account_id) if account is None else Owner(id=account.canonical_id, display_name=account.display_name)


def _initiator(call: Call, account_id: str) -> Initiator:
    account = _account(call, account_id)
    if account is None:
        return Initiator(id=account_id)
    return Initiator(id=account.canonical_id, display_name=account.display_name)


async def list_parts(call: Call, given: ListPartsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html"""
    upload = await find_upload(call, given.upload_id)
    limit = page_size(given.max_parts)
    after = given.part_number_marker or 0
    parts = await call.services.store.list_parts(upload, after, limit + 1) if limit else []
    page = parts[:limit]
    return render(
        call.operation,
        ListPartsOutput(
            bucket=call.bucket_name,
            key=call.key_text,
            upload_id=upload.upload_id,
            initiator=_initiator(call, upload.initiator),
            owner=_owner(call, upload.owner),
            storage_class=upload.attributes.storage_class,
            part_number_marker=after,
            next_part_number_marker=page[-1].number if page else 0,
            max_parts=limit,
            is_truncated=len(parts) > len(page),
            checksum_algorithm=upload.checksum_algorithm or None,
            checksum_type=upload.checksum_type or None,
            **abort_members(call, upload.key, upload.initiated_us),
            parts=[
                Part(
                    part_number=part.number,
                    last_modified=part.mtime_us,
                    e_tag=f'"{part.etag}"',
                    size=part.size,
                    **checksum_members(part.checksum, with_type=False),
                )
                for part in page
            ],
        ),
    )
