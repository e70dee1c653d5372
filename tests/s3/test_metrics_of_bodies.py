"""The counters of object bodies, in and out."""

import re

import pytest


def total(server, name):
    found = re.findall(rf"^{name}(?:{{.*}})? ([0-9.e+]+)$", server.get("/metrics")[1].decode(), re.MULTILINE)
    return sum(map(float, found))


@pytest.mark.parametrize("size", [1, 300_000])
def test_bytes_are_counted(server, s3, bucket, size):
    before = total(server, "dolmen_s3_received_bytes_total"), total(server, "dolmen_s3_sent_bytes_total")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * size)
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == size
    after = total(server, "dolmen_s3_received_bytes_total"), total(server, "dolmen_s3_sent_bytes_total")
    assert (after[0] - before[0], after[1] - before[1]) == (size, size)
