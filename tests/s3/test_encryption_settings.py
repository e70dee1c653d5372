"""What an operator says about encryption: a default for the whole store, TLS for keys of clients, names of keys."""

import pytest
from botocore.exceptions import ClientError
from dev_server import DevServer
from encryption_kinds import KINDS, arn, shown

KMS = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": arn("alpha")}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    environment = {
        "DOLMEN_KMS_KEYS": "alpha",
        "DOLMEN_DEFAULT_ENCRYPTION": "aws:kms=alpha",
        "DOLMEN_SSE_C_NEEDS_TLS": "true",
    }
    with DevServer(tmp_path_factory.mktemp("settings"), environment=environment) as server:
        made = server.client()
        made.create_bucket(Bucket="first")
        yield made


def test_the_default_of_the_store(client):
    rules = client.get_bucket_encryption(Bucket="first")["ServerSideEncryptionConfiguration"]["Rules"]
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "alpha"}
    assert rules == [{"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": False}]
    assert shown(client.put_object(Bucket="first", Key="k", Body=b"data")) == KMS
    found = client.get_object(Bucket="first", Key="k")
    assert (found["Body"].read(), shown(found)) == (b"data", KMS)
    assert shown(client.put_object(Bucket="first", Key="k", Body=b"data", ServerSideEncryption="AES256")) == {
        "ServerSideEncryption": "AES256"
    }


def test_a_bucket_says_otherwise_and_forgets_it_again(client):
    client.create_bucket(Bucket="second")
    rules = [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    client.put_bucket_encryption(Bucket="second", ServerSideEncryptionConfiguration={"Rules": rules})
    assert shown(client.put_object(Bucket="second", Key="k", Body=b"x")) == {"ServerSideEncryption": "AES256"}
    client.delete_bucket_encryption(Bucket="second")
    assert shown(client.put_object(Bucket="second", Key="k", Body=b"x")) == KMS


@pytest.mark.parametrize("operation", ["put_object", "get_object"])
def test_keys_of_clients_over_tls_only(client, operation):
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(Bucket="first", Key="k", **KINDS["SSE-C"].read)
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == ("InvalidRequest", 400)
    assert error["Error"]["Message"] == (
        "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."
    )
