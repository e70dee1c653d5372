"""A client that closes its connection in the middle: the rest of its download is not read, nothing of its upload stays."""

import re
import time

from dev_server import ROOT
from raw_s3 import RawS3

SIZE = 96 << 20
WAIT_SECONDS = 30.0


def metric(server, name):
    _, page = server.get("/metrics")
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", page.decode(), re.MULTILINE))


def wait_until_idle(server):
    deadline = time.monotonic() + WAIT_SECONDS
    while metric(server, "dolmen_s3_requests_in_flight") > 0:
        assert time.monotonic() < deadline, "a request goes on although its client is gone"
        time.sleep(0.1)


def test_the_rest_of_a_download_is_not_read(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(SIZE))
    wait_until_idle(server)
    before = metric(server, "dolmen_s3_sent_bytes_total")
    body = s3.get_object(Bucket=bucket, Key="large")["Body"]
    assert len(body.read(100_000)) == 100_000
    body._raw_stream.close()  # not drained: the connection is closed
    wait_until_idle(server)
    assert metric(server, "dolmen_s3_sent_bytes_total") - before < SIZE / 2


def test_nothing_of_half_an_upload_stays(server, s3, bucket):
    path = f"/{bucket}/half"
    store = RawS3(server.port, ROOT)
    headers, _ = store.headers_for("PUT", path, headers={"Content-Length": str(SIZE)})
    with store.connect() as wire:
        wire.head("PUT", path, headers)
        wire.send(bytes(3 << 20))
    wait_until_idle(server)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
