"""Readers through both gateways, while one key is overwritten and deleted: every answer is one whole body that was acknowledged."""

import hashlib
import threading

from botocore.exceptions import ClientError

ROUNDS = 25
READERS = 4


def test_no_reader_sees_a_mixture(clients, s3, bucket):
    """The ETag, the length and the bytes of an answer belong to the same write; a key that is never deleted never vanishes."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"first" * 50_000)
    done, wrong = threading.Event(), []

    def read(client):
        while not done.is_set():
            answer = client.get_object(Bucket=bucket, Key="k")
            body = answer["Body"].read()
            if f'"{hashlib.md5(body).hexdigest()}"' != answer["ETag"] or len(body) != answer["ContentLength"]:
                wrong.append((answer["ETag"], len(body)))

    threads = [threading.Thread(target=read, args=(client,)) for client in clients[:READERS]]
    for thread in threads:
        thread.start()
    try:
        for number in range(ROUNDS):
            size = (1, 70_000, 131_073, 1_100_000, 2_500_000)[number % 5]
            s3.put_object(Bucket=bucket, Key="k", Body=bytes([number]) * size)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_reads_after_writes_through_the_other_gateway(clients, bucket):
    for number in range(ROUNDS):
        writer, reader = clients[number % 6], clients[(number + 1) % 6]
        writer.put_object(Bucket=bucket, Key="k", Body=b"%d" % number)
        assert reader.get_object(Bucket=bucket, Key="k")["Body"].read() == b"%d" % number
        writer.delete_object(Bucket=bucket, Key="k")
        try:
            reader.head_object(Bucket=bucket, Key="k")
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404  # noqa: PT017 - one of two outcomes
        else:
            raise AssertionError("a deleted key was read")
