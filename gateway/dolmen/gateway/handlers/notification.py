"""Notification configuration of a bucket."""

from __future__ import annotations

import base64
import secrets

from dolmen.gateway.delivery.queue import enqueue_trial
from dolmen.gateway.delivery.template import CONFIG
from dolmen.gateway.handlers.call import Call, Handler
from dolmen.gateway.handlers.config_store import load, save
from dolmen.gateway.http.send import HOST_ID
from dolmen.gateway.s3.event_record import trial_message
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import (
    CloudFunctionConfiguration,
    GetBucketNotificationConfigurationInput,
    GetBucketNotificationInput,
    NotificationConfiguration,
    PutBucketNotificationConfigurationInput,
    PutBucketNotificationInput,
    QueueConfigurationDeprecated,
    TopicConfigurationDeprecated,
)
from dolmen.gateway.s3.model.outputs_generated import GetBucketNotificationConfigurationOutput, GetBucketNotificationOutput
from dolmen.gateway.s3.notification import arn_of, check_configuration, from_deprecated, is_empty, target_of_arn
from dolmen.gateway.s3.render import Response, render

ID_BYTES = 36  # of an id made by us: 48 characters, as AWS's


def _new_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(ID_BYTES)).decode()


async def put_bucket_notification_configuration(call: Call, given: PutBucketNotificationConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html

    An empty configuration turns notifications off.
    """
    if given.notification_configuration is None:
        raise S3Fault("MalformedXML")
    return await _put(call, given.notification_configuration, skip=bool(given.skip_destination_validation))


async def put_bucket_notification(call: Call, given: PutBucketNotificationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotification.html (deprecated)"""
    if given.notification_configuration is None:
        raise S3Fault("MalformedXML")
    return await _put(call, from_deprecated(given.notification_configuration), skip=False)


async def _put(call: Call, given: NotificationConfiguration, *, skip: bool) -> Response:
    declared = call.services.notification_targets
    checked = check_configuration(given, declared, validate_destinations=not skip, new_id=_new_id)
    await save(call, CONFIG, None if is_empty(checked) else checked)
    if not skip:
        await _send_trials(call, checked)
    return Response(200, [], b"")


async def _send_trials(call: Call, configuration: NotificationConfiguration) -> None:
    """A test message to each topic and queue; Lambda gets none, as in S3."""
    now_us = call.services.clock.now_us()
    arns = [arn_of(topic) for topic in configuration.topic_configurations or []]
    arns += [arn_of(queue) for queue in configuration.queue_configurations or []]
    body = trial_message(call.bucket_name, now_us, call.request.request_id, HOST_ID)
    for target in sorted({target_of_arn(arn) for arn in arns}):
        await enqueue_trial(call.services.store, target, body, now_us)


async def get_bucket_notification_configuration(call: Call, given: GetBucketNotificationConfigurationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html"""
    found = load(call.bucket, CONFIG, NotificationConfiguration) or NotificationConfiguration()
    return render(
        call.operation,
        GetBucketNotificationConfigurationOutput(
            topic_configurations=found.topic_configurations,
            queue_configurations=found.queue_configurations,
            lambda_function_configurations=found.lambda_function_configurations,
            event_bridge_configuration=found.event_bridge_configuration,
        ),
    )


async def get_bucket_notification(call: Call, given: GetBucketNotificationInput) -> Response:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotification.html (deprecated): one of each kind, no filters."""
    found = load(call.bucket, CONFIG, NotificationConfiguration) or NotificationConfiguration()
    topic, queue, function = (
        next(iter(found.topic_configurations or []), None),
        next(iter(found.queue_configurations or []), None),
        next(iter(found.lambda_function_configurations or []), None),
    )
    output = GetBucketNotificationOutput()
    if topic is not None:
        output.topic_configuration = TopicConfigurationDeprecated(id=topic.id, events=topic.events, topic=topic.topic_arn)
    if queue is not None:
        output.queue_configuration = QueueConfigurationDeprecated(id=queue.id, events=queue.events, queue=queue.queue_arn)
    if function is not None:
        output.cloud_function_configuration = CloudFunctionConfiguration(
            id=function.id, events=function.events, cloud_function=function.lambda_function_arn
        )
    return render(call.operation, output)


HANDLERS: dict[str, Handler] = {
    "PutBucketNotificationConfiguration": put_bucket_notification_configuration,
    "PutBucketNotification": put_bucket_notification,
    "GetBucketNotificationConfiguration": get_bucket_notification_configuration,
    "GetBucketNotification": get_bucket_notification,
}
