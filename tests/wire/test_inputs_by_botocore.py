"""What botocore's serializer writes is routed to its operation and parsed to what was sent."""

import urllib.parse

import botocore.awsrequest
import botocore.serialize
import pytest

from dolmen.gateway.s3.operations import OPERATIONS
from dolmen.gateway.s3.parse import parse_input
from dolmen.gateway.s3.route import route

ROUNDS = 12  # each operation; 4,600 requests of another 40 found nothing more
FROM_MODEL = sorted(set(OPERATIONS) - {"PostObject"})


def _sent(wire, service_model, name, seed):
    """(parameters, method, level, bucket, key, query, headers, body) of a random request."""
    model = service_model.operation_model(name)
    parameters = wire.Values(seed).structure(model.input_shape) if model.input_shape else {}
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=False)
    request = serializer.serialize_to_request(parameters, model)
    path = model.http["requestUri"].partition("?")[0]
    level = "object" if "{Key" in path else "service" if path == "/" else "bucket"
    botocore.awsrequest.prepare_request_dict(request, endpoint_url="http://127.0.0.1")
    query = {"x-id": name} | dict(urllib.parse.parse_qsl(request["url"].partition("?")[2], keep_blank_values=True))
    headers = {key.lower(): str(value) for key, value in request["headers"].items()}
    body = request["body"]
    body = b"" if OPERATIONS[name].body != "xml" else body.encode() if isinstance(body, str) else body
    return parameters, model, request["method"], level, query, headers, body


@pytest.mark.parametrize("name", FROM_MODEL)
def test_requests_are_routed_and_parsed_to_what_was_sent(wire, service_model, name):
    operation = OPERATIONS[name]
    for number in range(ROUNDS):
        parameters, model, method, level, query, headers, body = _sent(wire, service_model, name, f"{name}-{number}")
        if operation.routed:
            assert route(method, level, query, headers) is operation
        found = parse_input(operation, parameters.get("Bucket", ""), parameters.get("Key", ""), query, headers, body)
        assert type(found) is operation.input
        want = wire.expected(model.input_shape, parameters) if model.input_shape else {}
        assert wire.plain(found) == want


def test_every_operation_of_the_model_is_in_the_table(service_model):
    assert set(FROM_MODEL) == set(service_model.operation_names)


def test_only_twins_and_what_the_host_tells_are_not_routed():
    left_out = {name for name, operation in OPERATIONS.items() if not operation.routed}
    assert left_out == {
        "GetBucketLifecycle", "GetBucketNotification", "PutBucketLifecycle", "PutBucketNotification", "ListDirectoryBuckets",
    }
