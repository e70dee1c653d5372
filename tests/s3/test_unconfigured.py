"""Fresh buckets: what S3 answers when nothing is configured; and the few operations that are refused by their name.

This is what Terraform's aws provider reads of every bucket: one 501 among them breaks ``aws_s3_bucket``.
"""

import re

import pytest
from botocore.exceptions import ClientError
from botocore_arguments import arguments_of

from dolmen.gateway.handlers.table import handler_of
from dolmen.gateway.handlers.unconfigured import not_implemented
from dolmen.gateway.s3.operations import OPERATIONS

MISSING = {
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_bucket_lifecycle": "NoSuchLifecycleConfiguration",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
    "get_bucket_tagging": "NoSuchTagSet",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
}
WITH_ID = {
    "get_bucket_analytics_configuration": "NoSuchConfiguration",
    "get_bucket_intelligent_tiering_configuration": "NoSuchConfiguration",
    "get_bucket_inventory_configuration": "NoSuchConfiguration",
    "get_bucket_metrics_configuration": "NoSuchConfiguration",
}
DELETES = [
    *("delete_bucket_cors", "delete_bucket_encryption", "delete_bucket_lifecycle", "delete_bucket_ownership_controls"),
    *("delete_bucket_policy", "delete_bucket_replication", "delete_bucket_tagging", "delete_bucket_website"),
    "delete_public_access_block",
]


@pytest.mark.parametrize(("name", "code"), [*MISSING.items(), *WITH_ID.items()])
def test_not_configured(s3, bucket, refused, name, code):
    more = {"Id": "x"} if name in WITH_ID else {}
    assert refused(code, 404, getattr(s3, name), Bucket=bucket, **more)["BucketName"] == bucket


def test_the_name_is_the_client_s(bob, new_name, refused):
    name = new_name()
    bob.create_bucket(Bucket=name)
    assert refused("NoSuchBucketPolicy", 404, bob.get_bucket_policy, Bucket=name)["BucketName"] == name


@pytest.mark.parametrize("name", DELETES)
def test_deleting_what_is_not_configured(s3, bucket, name):
    assert getattr(s3, name)(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    s3.head_bucket(Bucket=bucket)


def without_metadata(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def test_empty_documents(s3, bucket):
    assert without_metadata(s3.get_bucket_accelerate_configuration(Bucket=bucket)) == {}
    assert without_metadata(s3.get_bucket_logging(Bucket=bucket)) == {}
    assert without_metadata(s3.get_bucket_notification_configuration(Bucket=bucket)) == {}
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    for name in ("analytics", "intelligent_tiering", "inventory", "metrics"):
        answer = getattr(s3, f"list_bucket_{name}_configurations")(Bucket=bucket)
        assert without_metadata(answer) == {"IsTruncated": False}


def test_acls(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    owner = s3.list_buckets()["Owner"]
    for answer in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert answer["Owner"]["ID"] == owner["ID"]
        assert [(grant["Permission"], grant["Grantee"]["ID"], grant["Grantee"]["Type"]) for grant in answer["Grants"]] == [
            ("FULL_CONTROL", owner["ID"], "CanonicalUser")
        ]
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    refused("AccessControlListNotSupported", 400, s3.put_bucket_acl, Bucket=bucket, ACL="public-read")
    refused("AccessControlListNotSupported", 400, s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    refused("AccessControlListNotSupported", 400, s3.put_bucket_acl, Bucket=bucket, GrantRead="id=x")
    refused("NoSuchKey", 404, s3.get_object_acl, Bucket=bucket, Key="none")
    refused("NoSuchKey", 404, s3.put_object_acl, Bucket=bucket, Key="none", ACL="private")


def test_locks(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused("InvalidRequest", 400, s3.get_object_retention, Bucket=bucket, Key="k")
    refused("InvalidRequest", 400, s3.get_object_legal_hold, Bucket=bucket, Key="k")
    refused("InvalidRequest", 400, s3.get_object_retention, Bucket=bucket, Key="none")


def test_of_no_bucket(s3, new_name):
    for name in (*MISSING, *DELETES, "get_bucket_acl", "get_bucket_logging", "get_bucket_ownership_controls"):
        with pytest.raises(ClientError) as caught:
            getattr(s3, name)(Bucket=new_name())
        assert caught.value.response["Error"]["Code"] == "NoSuchBucket", name


# -- the rest of the table ---------------------------------------------------------------------------------------------------


# Told apart by the front door, which has no handler of the table for it.
FORMS = {"PostObject"}


def unimplemented():
    return sorted(
        name
        for name, one in OPERATIONS.items()
        if handler_of(name) is not_implemented and one.routed and name not in FORMS
    )


@pytest.mark.parametrize("operation", unimplemented())
def test_an_operation_that_is_not_there_names_itself(s3, bucket, operation):
    method = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).lower()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    with pytest.raises(ClientError) as caught:
        getattr(s3, method)(**arguments_of(s3, operation, bucket))
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 501), response
    assert response["Error"]["Message"] == f"{operation} is not implemented"
    assert response["Error"]["Operation"] == operation
