"""What a write says of its object in the volumes, so that its row can be made again when the metadata is lost.

It is made once for each body, as far as things are known when the body begins, and lies in the fragments of its first stripe.
What is known only at the end (ETag, value of the checksum) is computed anew from the data by a rebuild. Written as msgpack
arrays, so that a later version may add fields at the end.

When a description is longer than ``DESCRIPTION_BYTES_MAX``, parts of it are left out in the order of ``LESS_WANTED``, and those
that fit after all are taken back in. It names what it left out.
"""

from __future__ import annotations

import msgspec

from dolmen.core.cluster_map import Pool
from dolmen.core.fragment import DESCRIPTION_BYTES_MAX, KEY_INLINE_BYTES_MAX
from dolmen.core.layout import stripes
from dolmen.gateway.metadata.records import Attributes, BucketRecord, MutablePart, PartSummary, UploadRecord, VersionRecord
from dolmen.gateway.objects.sealing import DataKeys

FORMAT = 1
UNKNOWN_LENGTH = -1

# What is given up first comes first. Without grants an object is private, without its encryption it is not made again at all.
PART_CHECKSUMS, ACL, TAGS, USER_METADATA, HEADERS, PARTS, ENCRYPTION = (
    "part_checksums",
    "acl",
    "tags",
    "user_metadata",
    "headers",
    "parts",
    "encryption",
)
LESS_WANTED = (PART_CHECKSUMS, ACL, TAGS, USER_METADATA, HEADERS, PARTS, ENCRYPTION)


class BucketFacts(msgspec.Struct, frozen=True, array_like=True):
    """Of the bucket when the body began; its id is in every fragment."""

    name: str  # as stored
    owner: str
    region: str
    created_us: int
    versioning: int
    object_lock: bool


class UploadFacts(msgspec.Struct, frozen=True, array_like=True):
    """Of the multipart upload that a part belongs to."""

    upload_id: str
    initiated_us: int
    initiator: str
    checksum_algorithm: str
    checksum_type: str


class VersionFacts(msgspec.Struct, frozen=True, array_like=True):
    """Of the version that is there already when its bytes are written anew, for another storage class."""

    version_id: str
    seq: int
    mtime_us: int
    size: int
    etag: str
    former: bytes  # id of the first stripe of the bytes that these replace


class ObjectFacts(msgspec.Struct, frozen=True, array_like=True):
    """Of the object (or upload) that a body is for."""

    owner: str
    attributes: Attributes  # of a new object: without checksum and parts
    mutable: MutablePart
    length: int  # bytes that will be stored; UNKNOWN_LENGTH when only the end tells
    checksum_algorithm: str  # of the checksum over the plaintext; "" for none
    upload: UploadFacts | None = None
    version: VersionFacts | None = None


class WriteDescription(msgspec.Struct, frozen=True, array_like=True):
    """The whole of it."""

    format: int
    bucket: BucketFacts
    stripe_bytes: int  # of the pool: tells where segments end
    min_fragment_bytes: int
    facts: ObjectFacts
    key: bytes = b""  # when it is longer than KEY_INLINE_BYTES_MAX: shorter ones are in every fragment
    left_out: tuple[str, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(WriteDescription).decode
_replace = msgspec.structs.replace


def encode_description(bucket: BucketRecord, key: bytes, pool: Pool, facts: ObjectFacts) -> bytes:
    """At most ``DESCRIPTION_BYTES_MAX`` bytes."""
    whole = WriteDescription(
        FORMAT,
        BucketFacts(bucket.name, bucket.owner, bucket.region, bucket.created_us, bucket.versioning, bucket.object_lock),
        pool.stripe_bytes,
        pool.min_fragment_bytes,
        facts,
        key if len(key) > KEY_INLINE_BYTES_MAX else b"",
    )
    raw = _encode(whole)
    return raw if len(raw) <= DESCRIPTION_BYTES_MAX else _shortened(whole)


def decode_description(raw: bytes) -> WriteDescription | None:
    """None when it is absent or cannot be read, or is of a format that this version does not know."""
    if not raw:
        return None
    try:
        found = _decode(raw)
    except msgspec.MsgspecError:
        return None
    return found if found.format == FORMAT else None


def _shortened(whole: WriteDescription) -> bytes:
    left_out: tuple[str, ...] = ()
    raw = b""
    for name in LESS_WANTED:
        if _without(whole.facts, (name,)) == whole.facts:
            continue
        left_out = (*left_out, name)
        raw = _encode_without(whole, left_out)
        if len(raw) <= DESCRIPTION_BYTES_MAX:
            break
    for name in reversed(left_out[:-1]):  # a large thing may have gone last: what is small then fits after all
        more = _encode_without(whole, tuple(other for other in left_out if other != name))
        if len(more) <= DESCRIPTION_BYTES_MAX:
            raw, left_out = more, tuple(other for other in left_out if other != name)
    assert 0 < len(raw) <= DESCRIPTION_BYTES_MAX, "names and ids alone are far shorter"
    return raw


def _encode_without(whole: WriteDescription, left_out: tuple[str, ...]) -> bytes:
    return _encode(_replace(whole, facts=_without(whole.facts, left_out), left_out=left_out))


def _without(facts: ObjectFacts, names: tuple[str, ...]) -> ObjectFacts:
    attributes, mutable = facts.attributes, facts.mutable
    if PART_CHECKSUMS in names and any(part.checksum is not None for part in attributes.parts):
        attributes = _replace(attributes, parts=tuple(PartSummary(part.number, part.size) for part in attributes.parts))
    if USER_METADATA in names:
        attributes = _replace(attributes, user_metadata={})
    if HEADERS in names:
        attributes = Attributes(
            user_metadata=attributes.user_metadata,
            storage_class=attributes.storage_class,
            checksum=attributes.checksum,
            parts=attributes.parts,
        )
    if PARTS in names:
        attributes = _replace(attributes, parts=())
    if ACL in names:
        mutable = _replace(mutable, acl=b"")
    if TAGS in names:
        mutable = _replace(mutable, tags={})
    if ENCRYPTION in names:
        mutable = _replace(mutable, encryption=None)
    return _replace(facts, attributes=attributes, mutable=mutable)


def facts_of_part(upload: UploadRecord, length: int, keys: DataKeys | None, checksum_algorithm: str) -> ObjectFacts:
    """For a part of ``length`` bytes, sealed with ``keys``."""
    return ObjectFacts(
        upload.owner,
        upload.attributes,
        upload.mutable,
        stored_length(length, keys),
        checksum_algorithm,
        UploadFacts(
            upload.upload_id, upload.initiated_us, upload.initiator, upload.checksum_algorithm, upload.checksum_type
        ),
    )


def stored_length(length: int, keys: DataKeys | None) -> int:
    """What a body of ``length`` bytes takes when it is stored."""
    return length if keys is None else keys.sealed_length(length)


def facts_of_version(record: VersionRecord, storage_class: str) -> ObjectFacts:
    """For bytes of a version that are written anew into another storage class."""
    checksum = record.attributes.checksum
    return ObjectFacts(
        owner=record.owner,
        attributes=_replace(record.attributes, storage_class=storage_class),
        mutable=record.mutable,
        length=record.layout.length,
        checksum_algorithm="" if checksum is None else checksum.algorithm,
        version=VersionFacts(
            record.version_id,
            record.seq,
            record.mtime_us,
            record.size,
            record.etag,
            first_stripe(record),
        ),
    )


def first_stripe(record: VersionRecord) -> bytes:
    """Id of the first stripe of a version; empty for an empty object."""
    return next((stripe.stripe_id for segment in record.layout.segments for stripe in stripes(segment, 0, 1)), b"")
