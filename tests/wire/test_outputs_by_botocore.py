"""What is rendered is read by botocore's parser as what was meant."""

import botocore.parsers
import pytest
from botocore.awsrequest import HeadersDict

from dolmen.gateway.s3.operations import OPERATIONS, structure_class
from dolmen.gateway.s3.render import render

ROUNDS = 12
# The root of the first is text, read by a hook of the client; the other's answer is a stream of events.
BY_HAND = {"GetBucketLocation", "SelectObjectContent"}
FROM_MODEL = sorted(set(OPERATIONS) - {"PostObject"} - BY_HAND)


def _built(wire, name, shape, value):
    """Our structure of the class ``name`` for a value of botocore's shape."""
    members = {key: (shape.members[key], one) for key, one in value.items()}
    kwargs = {wire.python_name(key): _converted(wire, s, one) for key, (s, one) in members.items() if s.type_name != "blob"}
    return structure_class(name)(**kwargs)


def _converted(wire, shape, value):
    if shape.type_name == "structure":
        return _built(wire, shape.name, shape, value)
    if shape.type_name == "list":
        return [_converted(wire, shape.member, one) for one in value]
    return wire.expected(shape, value)


def _parsed(response, shape):
    headers = HeadersDict([(name.decode(), text.decode()) for name, text in response.headers])
    raw = {"status_code": response.status, "headers": headers, "body": response.body}
    found = botocore.parsers.create_parser("rest-xml").parse(raw, shape)
    del found["ResponseMetadata"]
    return found


@pytest.mark.parametrize("name", FROM_MODEL)
def test_answers_are_parsed_to_what_was_meant(wire, service_model, name):
    operation = OPERATIONS[name]
    shape = service_model.operation_model(name).output_shape
    for number in range(ROUNDS):
        value = wire.Values(f"{name}-{number}", carriage_returns=True).structure(shape) if shape else {}
        output = _built(wire, f"{name}Output", shape, value) if shape else operation.output()
        response = render(operation, output)
        assert response.status == operation.success_status
        if shape is None:
            assert (response.headers, response.body) == ([], b"")
        else:
            found = _parsed(response, shape)
            for streamed in [one for one, member in shape.members.items() if member.type_name == "blob"]:
                value.pop(streamed, None)  # streamed beside the rendered answer
                del found[streamed]
            assert wire.without_aliases(found) == _filled(shape, value)


def _filled(shape, value):
    """``value`` with what botocore's parser adds: payloads and metadata are never left out."""
    payload = shape.serialization.get("payload")
    if payload is not None:
        value = {"structure": {payload: {}}, "string": {payload: ""}}.get(shape.members[payload].type_name, {}) | value
    if "Metadata" in shape.members:
        value = {"Metadata": {}} | value
    return value
