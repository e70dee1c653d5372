"""Who pays: the configuration of a bucket, and what a bucket whose requesters pay wants of their requests.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html
"""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.http.request import Headers
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    GetBucketRequestPaymentInput,
    PutBucketRequestPaymentInput,
    RequestPaymentConfiguration,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketRequestPaymentOutput
from dolmen.gateway.s3.operations import OPERATIONS, members
from dolmen.gateway.s3.render import Response, render

NAME = "request-payment"
PAYER = "x-amz-request-payer"
OWNER_PAYS = "BucketOwner"
_CHARGED: Headers = [(b"x-amz-request-charged", b"requester")]
# What costs: the operations that take the header.
_COSTLY = frozenset(
    name for name in OPERATIONS if any(member.wire == PAYER for member in members(f"{name}Input"))
)


async def put_bucket_request_payment(call: Call, given: PutBucketRequestPaymentInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketRequestPayment.html"""
    configuration = given.request_payment_configuration
    if configuration is None:
        raise S3Fault("MalformedXML")
    await save(call, NAME, None if configuration.payer == OWNER_PAYS else configuration)
    return Response(200, [], b"")


async def get_bucket_request_payment(call: Call, given: GetBucketRequestPaymentInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketRequestPayment.html"""
    found = load(call.bucket, NAME, RequestPaymentConfiguration)
    payer = found.payer if found is not None else OWNER_PAYS
    return render(call.operation, GetBucketRequestPaymentOutput(payer=payer))


def charge(call: Call, bucket: BucketRecord | None) -> Headers:
    """What to add to the answer when the caller pays. Raises AccessDenied when it should and did not say that it would.

    ``bucket``: the addressed one, or a copy's source. Asked behind the permission: who may not read is not told who pays.
    Nothing is billed here; clients see what they would see of S3.
    """
    if bucket is None or NAME not in bucket.config or call.operation.name not in _COSTLY:
        return []
    if call.principal is not None and call.account.account_id == bucket.owner:
        return []
    if call.principal is None or call.request.headers.get(PAYER, "").lower() != "requester":
        raise S3Fault("AccessDenied")
    return _CHARGED


HANDLERS: dict[str, Handler] = {
    "PutBucketRequestPayment": put_bucket_request_payment,
    "GetBucketRequestPayment": get_bucket_request_payment,
}
