"""The least of arguments that botocore takes for an operation of S3. What S3 thinks of them is another matter."""

from __future__ import annotations

from typing import Any


def required(shape: Any) -> Any:
    """Some value that botocore takes for a shape."""
    match shape.type_name:
        case "structure" if getattr(shape, "is_tagged_union", False):
            name = next(iter(shape.members))
            return {name: required(shape.members[name])}
        case "structure":
            return {name: required(shape.members[name]) for name in shape.required_members}
        case "list":
            return [required(shape.member)]
        case "integer" | "long" | "double":
            return 1
        case "boolean":
            return True
        case "timestamp":
            return "2030-01-01T00:00:00Z"
        case "blob":
            return b"x"
    return shape.enum[0] if getattr(shape, "enum", None) else "x" * max(1, shape.metadata.get("min", 1))


def arguments_of(s3: Any, operation: str, bucket: str, key: str = "k") -> dict[str, Any]:
    model = s3.meta.service_model.operation_model(operation)
    found = required(model.input_shape)
    for name, value in (("Bucket", bucket), ("Key", key)):
        if name in model.input_shape.members:
            found[name] = value
    payload = model.input_shape.serialization.get("payload")
    if payload and payload not in found and model.input_shape.members[payload].type_name == "structure":
        found[payload] = required(model.input_shape.members[payload])
    return found
