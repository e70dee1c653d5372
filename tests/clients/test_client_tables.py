"""Formats of tables and arrays that commit in the store: delta-rs, PyIceberg, Icechunk, Lance; and object_store below some of them.

Each program tells its departures from the defaults.
"""

import pytest

pytestmark = pytest.mark.slow_clients


@pytest.mark.parametrize("step", ["life", "conflicts"])
@pytest.mark.parametrize("name", ["deltalake", "pyiceberg", "icechunk", "lance"])
def test_tables(client, bucket, name, step):
    client(name).step(f"with_{name}", step, bucket)


@pytest.mark.parametrize("step", ["objects", "conditions", "signed"])
def test_obstore(client, bucket, step):
    client("obstore").step("with_obstore", step, bucket)
