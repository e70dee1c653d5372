"""What the tests of S3 called, with which parameters: the record from which docs/reference/s3-operations.md is written.

``DOLMEN_S3_RESULTS=DIRECTORY`` turns it on (``make compatibility``): each process writes what its passed tests called.
"""

import json
import os
from collections import defaultdict
from functools import cache
from pathlib import Path
from urllib.parse import unquote

from botocore.session import get_session

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.route import route

VARIABLE = "DOLMEN_S3_RESULTS"
UNNAMED = {"Bucket", "Key"}  # in the address of every request
PATH_STYLE_HOST = "127.0.0.1"  # a bucket in the host, or a website's host, would be routed otherwise than by the path


class Recorder:
    """Calls of the test that runs, and what became of those before it."""

    def __init__(self):
        self.calls = defaultdict(set)  # of this test: operation to parameters
        self.parameters = defaultdict(set)  # of passed tests, by operation
        self.callers = defaultdict(set)  # their files, by operation
        self.files = set()  # with a test that passed

    def note(self, operation, parameters):
        self.calls[operation].update(parameters)

    def begin(self):
        self.calls.clear()

    def end(self, file_name, passed):
        if passed:
            self.files.add(file_name)
            for operation, parameters in self.calls.items():
                self.parameters[operation].update(parameters)
                self.callers[operation].add(file_name)
        self.calls.clear()

    def write(self, directory, worker):
        operations = {
            name: {"files": sorted(files), "parameters": sorted(self.parameters[name])} for name, files in self.callers.items()
        }
        Path(directory).mkdir(parents=True, exist_ok=True)
        record = {"files": sorted(self.files), "operations": operations}
        (Path(directory) / f"{worker}.json").write_text(json.dumps(record))


MODEL = get_session().get_service_model("s3")
RECORDER = Recorder() if os.environ.get(VARIABLE) else None


def watch_client(client):
    """Note what a boto3 client of S3 is asked for."""
    if RECORDER is not None:
        client.meta.events.register("provide-client-params.s3.*", _noted)
    return client


def _noted(params, model, **_):
    RECORDER.note(model.name, set(params))


def watch_raw(method, path, query, headers):
    """Note a request that was written by hand, when it is one of S3's operations."""
    lower = {name.lower(): str(value) for name, value in headers.items()}
    if RECORDER is None or not lower.get("host", PATH_STYLE_HOST).startswith(PATH_STYLE_HOST):
        return
    parts = unquote(path).lstrip("/").split("/", 1)
    level = "service" if not parts[0] else "object" if len(parts) > 1 and parts[1] else "bucket"
    pairs = {unquote(name): unquote(value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
    try:
        operation = route(method, level, pairs, lower)
    except S3Fault:
        return
    if operation.name in MODEL.operation_names:  # PostObject is in no model
        given = {name.lower() for name in pairs} | set(lower)
        names = wire_names(operation.name)
        RECORDER.note(operation.name, {name for name, wire in names.items() if wire in given or name in UNNAMED})
    else:
        RECORDER.note(operation.name, ())


@cache
def wire_names(operation):
    """Parameters of an operation by botocore's names, and what they are called in a header or in the query."""
    shape = MODEL.operation_model(operation).input_shape
    found = shape.members if shape is not None else {}
    return {name: member.serialization.get("name", name).lower() for name, member in found.items()}
