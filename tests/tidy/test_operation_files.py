"""Each routed operation of S3 has its file of tests, whose passed tests call it (as ``make compatibility`` has recorded)."""

import json

import pytest
from botocore import xform_name

from dolmen.gateway.handlers.support import ANSWERED, DEPARTURES, IGNORED, NOT_IMPLEMENTED, REAL, STORED, support_of
from dolmen.gateway.s3.operations import OPERATIONS

ROUTED = sorted(name for name, operation in OPERATIONS.items() if operation.routed)


@pytest.fixture(scope="module")
def recorded(root):
    return json.loads((root / "docs" / "reference" / "s3-results.json").read_text())


def file_of(operation):
    return f"test_{xform_name(operation)}.py"


def test_each_operation_has_a_file(root):
    missing = [name for name in ROUTED if not (root / "tests" / "s3" / file_of(name)).is_file()]
    assert missing == []


@pytest.mark.parametrize("operation", ROUTED)
def test_the_file_calls_its_operation(recorded, operation):
    assert file_of(operation) in recorded["operations"][operation]["files"]


def test_each_operation_is_classified():
    kinds = {name: support_of(name) for name in ROUTED}
    assert set(kinds.values()) == {REAL, STORED, ANSWERED, NOT_IMPLEMENTED}
    assert [name for name, kind in kinds.items() if kind == NOT_IMPLEMENTED] == [
        *("CreateBucketMetadataConfiguration", "CreateBucketMetadataTableConfiguration"),
        *("PutBucketReplication", "PutObjectAnnotation"),
    ]


def test_notes_are_about_operations_and_parameters_that_there_are(recorded):
    assert set(DEPARTURES) <= set(ROUTED)
    parameters = {name for record in recorded["operations"].values() for name in record["parameters"]}
    assert set(IGNORED) <= parameters
