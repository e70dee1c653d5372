"""Transfer acceleration: kept and given back. There is no other endpoint to be faster through."""

from __future__ import annotations

from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    AccelerateConfiguration,
    GetBucketAccelerateConfigurationInput,
    PutBucketAccelerateConfigurationInput,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketAccelerateConfigurationOutput
from dolmen.gateway.s3.render import Response, render

NAME = "accelerate"


async def put_bucket_accelerate(call: Call, given: PutBucketAccelerateConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketAccelerateConfiguration.html"""
    configuration = given.accelerate_configuration
    if configuration is None or configuration.status is None:
        raise S3Fault("MalformedXML")
    if "." in call.bucket_name:
        message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names"
        raise S3Fault("InvalidRequest", message)
    await save(call, NAME, configuration)
    return Response(200, [], b"")


async def get_bucket_accelerate(call: Call, given: GetBucketAccelerateConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketAccelerateConfiguration.html. Empty while it was never set."""
    found = load(call.bucket, NAME, AccelerateConfiguration)
    status = found.status if found is not None else None
    return render(call.operation, GetBucketAccelerateConfigurationOutput(status=status))


HANDLERS: dict[str, Handler] = {
    "PutBucketAccelerateConfiguration": put_bucket_accelerate,
    "GetBucketAccelerateConfiguration": get_bucket_accelerate,
}
