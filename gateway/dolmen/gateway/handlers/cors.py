"""CORS of a bucket: its configuration, preflights, and the headers of every other answer to a page of another origin."""

from __future__ import annotations

import re

from dolmen.core.errors import DolmenError
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.http.request import Headers, Request
from dolmen.gateway.iam.ids import account_of_key_id
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3 import cors
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    CORSConfiguration,
    DeleteBucketCorsInput,
    GetBucketCorsInput,
    PutBucketCorsInput,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketCorsOutput
from dolmen.gateway.s3.render import Response, render
from dolmen.gateway.services import Services

NAME = "cors"
_KEY = re.compile(r"[Cc]redential=([A-Za-z0-9_.\-]{3,128})(?:/|%2[Ff])", re.ASCII)


async def put_bucket_cors(call: Call, given: PutBucketCorsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html"""
    configuration = given.cors_configuration
    if configuration is None:
        raise S3Fault("MalformedXML")
    cors.check_configuration(configuration)
    await save(call, NAME, configuration)
    return Response(200, [], b"")


async def get_bucket_cors(call: Call, given: GetBucketCorsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketCors.html"""
    found = load(call.bucket, NAME, CORSConfiguration)
    if found is None:
        raise S3Fault("NoSuchCORSConfiguration", fields=(("BucketName", call.bucket_name),))
    return render(call.operation, GetBucketCorsOutput(cors_rules=found.cors_rules))


async def delete_bucket_cors(call: Call, given: DeleteBucketCorsInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucketCors.html"""
    if NAME in call.bucket.config:
        await save(call, NAME, None)
    return Response(204, [], b"")


def preflight(request: Request, bucket: BucketRecord | None, *, is_object: bool) -> Response:
    """The answer to OPTIONS. A browser sends it without credentials: nobody is authenticated, and nothing of the bucket is told.

    ``bucket``: None when there is no such one. Raises BadRequest, AccessForbidden.
    """
    raw = bucket.config.get(NAME) if bucket is not None else None
    rules = None if raw is None else cors.compiled(raw)
    return Response(200, cors.preflight_headers(request.headers, rules, exists=bucket is not None, is_object=is_object), b"")


def response_headers(bucket: BucketRecord | None, request: Request) -> Headers:
    """What to add to the answer of any other request, errors included; nothing without an Origin or without a rule for it."""
    if bucket is None or cors.ORIGIN not in request.headers:
        return []
    raw = bucket.config.get(NAME)
    return [] if raw is None else cors.actual_headers(request.method, request.headers, cors.compiled(raw))


async def bucket_of_page(services: Services, name: str, request: Request) -> BucketRecord | None:
    """The bucket that a request names, before or without knowing who asks: for preflights, and for refusals of a signature.

    The namespace is the one of the key that the request names (a presigned address has it, a preflight has no other), the default
    one else. That is not believed for anything but the choice of rules; a page learns no more of them than by asking for each.
    """
    tenant = ""
    found = _KEY.search(request.headers.get("authorization", "")) or _KEY.search(request.raw_query.decode("latin-1"))
    if found is not None:
        known = services.identities.static(found[1])
        account = known.principal.account if known is not None else services.identities.account(account_of_key_id(found[1]) or "")
        tenant = account.tenant if account is not None else ""
    if ":" in name:
        return await services.store.get_bucket(name.removeprefix(":"))
    return await services.store.get_bucket(f"{tenant}:{name}" if tenant else name)


async def refusal_headers(services: Services, bucket: BucketRecord | None, name: str | None, request: Request) -> Headers:
    """As ``response_headers``, for an error: so that a page may read why. ``bucket``: None when it was not looked up yet."""
    if bucket is None and name is not None and cors.ORIGIN in request.headers and request.method != "OPTIONS":
        try:
            bucket = await bucket_of_page(services, name, request)
        except DolmenError:  # the answer is an error already, and goes out without
            return []
    return response_headers(bucket, request)


HANDLERS: dict[str, Handler] = {
    "PutBucketCors": put_bucket_cors,
    "GetBucketCors": get_bucket_cors,
    "DeleteBucketCors": delete_bucket_cors,
}
