"""Tags of a bucket. Cost allocation and Terraform read them; they grant nothing here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dolmen.gateway.handlers.bucket_acl import require_on_new_bucket
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    DeleteBucketTaggingInput,
    GetBucketTaggingInput,
    PutBucketTaggingInput,
    Tag,
    Tagging,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketTaggingOutput
from dolmen.gateway.s3.render import Response, render
from dolmen.gateway.s3.tagging import check_bucket_tags

NAME = "tagging"


def stored(tags: Sequence[Tag] | None) -> bytes | None:
    """Checked tags as they are kept in the bucket's record; None when there are none. Raises BadRequest, InvalidTag."""
    checked = check_bucket_tags([(tag.key or "", tag.value or "") for tag in tags or ()])
    if not checked:
        return None
    return msgspec.msgpack.encode(Tagging(tag_set=[Tag(key=key, value=value) for key, value in checked.items()]))


async def tagging_of_new_bucket(call: Call, tags: Sequence[Tag] | None) -> dict[str, bytes]:
    """The sub-resource of a bucket that is made with tags, by its name.

    Raises BadRequest, InvalidTag; AccessDenied without s3:TagResource.
    """
    raw = stored(tags)
    if raw is None:
        return {}
    await require_on_new_bucket(call, "s3:TagResource")
    return {NAME: raw}


async def put_bucket_tagging(call: Call, given: PutBucketTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketTagging.html. The set replaces the one before."""
    await save(call, NAME, stored(given.tagging.tag_set if given.tagging is not None else None))
    return Response(204, [], b"")


async def get_bucket_tagging(call: Call, given: GetBucketTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketTagging.html"""
    found = load(call.bucket, NAME, Tagging)
    if found is None:
        raise S3Fault("NoSuchTagSet", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetBucketTaggingOutput(tag_set=found.tag_set))


async def delete_bucket_tagging(call: Call, given: DeleteBucketTaggingInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketTagging.html"""
    if NAME in call.bucket.config:
        await save(call, NAME, None)
    return Response(204, [], b"")


HANDLERS: dict[str, Handler] = {
    "PutBucketTagging": put_bucket_tagging,
    "GetBucketTagging": get_bucket_tagging,
    "DeleteBucketTagging": delete_bucket_tagging,
}
