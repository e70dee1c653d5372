"""What requests of S3 cost in statements, counted by the gateway that serves them."""

import re
from pathlib import Path

import pytest
from cassandra_home import cassandra_keyspace
from dev_server import DevServer

ROUNDS = 100
# The gateway's own: signs of life, sums, the map, the preflight of a minute, in the seconds that a test takes.
BESIDE = 90


@pytest.fixture(scope="module")
def server(cassandra, tmp_path_factory):
    home = cassandra_keyspace()
    directory: Path = tmp_path_factory.mktemp("counted")
    url = home.url.replace("cache_seconds=0.02", "cache_seconds=60")  # the record of the bucket is read once
    try:
        with DevServer(directory, workers=1, options=("--metadata", url)) as made:
            yield made
    finally:
        home.drop()


def statements(server):
    """Of the gateway, until now."""
    code, body = server.get("/metrics")
    assert code == 200
    lines = re.findall(r'^dolmen_metadata_statements_total\{([^}]*)\} ([0-9.e+]+)$', body.decode(), re.MULTILINE)
    assert lines, "the gateway counts"
    return sum(float(value) for labels, value in lines if "maintenance" not in labels)


def cost(server, request):
    """Statements of one request, of a gateway that has served such ones before."""
    request(-1)
    before = statements(server)
    for number in range(ROUNDS):
        request(number)
    return (statements(server) - before) / ROUNDS


def test_reads_cost_one_statement_and_a_write_six(server):
    s3 = server.client()
    s3.create_bucket(Bucket="counted")
    slack = BESIDE / ROUNDS
    writes = cost(server, lambda number: s3.put_object(Bucket="counted", Key=f"k{number}", Body=b"x" * 100))
    assert 5.9 <= writes <= 6 + slack
    assert 1 <= cost(server, lambda number: s3.get_object(Bucket="counted", Key="k1")["Body"].read()) <= 1 + slack
    assert 1 <= cost(server, lambda number: s3.head_object(Bucket="counted", Key="k1")) <= 1 + slack
    assert 2 <= cost(server, lambda number: s3.list_objects_v2(Bucket="counted")) <= 2 + slack
