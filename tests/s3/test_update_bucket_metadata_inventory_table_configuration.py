"""UpdateBucketMetadataInventoryTableConfiguration: no bucket here has metadata tables, and that is the answer."""

import pytest
from access import ALICE_ACCOUNT, ROOT_ACCOUNT, policy, statement

GIVEN = {"InventoryTableConfiguration": {"ConfigurationState": "DISABLED"}}
PATTERN = "<InventoryTableConfiguration><ConfigurationState>{}</ConfigurationState></InventoryTableConfiguration>"
DOCUMENT = PATTERN.format("DISABLED").encode()


def test_there_is_none(s3, bucket, refused):
    call = s3.update_bucket_metadata_inventory_table_configuration
    error = refused("MetadataConfigurationNotFound", 404, call, Bucket=bucket, **GIVEN)
    assert (error["BucketName"], error["Message"]) == (bucket, "The metadata configuration does not exist.")


def test_the_answer(raw, bucket):
    answer = raw.request("PUT", f"/{bucket}", "metadataInventoryTable", body=DOCUMENT)
    assert answer.told == (404, "MetadataConfigurationNotFound")
    assert answer.headers["content-type"] == "application/xml"
    assert list(answer.error) == ["Code", "Message", "BucketName", "Resource", "RequestId", "HostId"]
    assert answer.error["Resource"] == f"/{bucket}"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<Other/>", "MalformedXML"),
        (b"<InventoryTableConfiguration/>", "MalformedXML"),
        (PATTERN.format("SOMETIMES").encode(), "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, document, code):
    assert raw.request("PUT", f"/{bucket}", "metadataInventoryTable", body=document).told == (400, code)


def test_of_no_bucket(s3, new_name, refused):
    name, call = new_name(), s3.update_bucket_metadata_inventory_table_configuration
    assert refused("NoSuchBucket", 404, call, Bucket=name, **GIVEN)["BucketName"] == name


@pytest.mark.parametrize(
    ("owner", "code", "status"), [(ROOT_ACCOUNT, "MetadataConfigurationNotFound", 404), (ALICE_ACCOUNT, "AccessDenied", 403)]
)
def test_the_expected_owner(s3, bucket, refused, owner, code, status):
    call = s3.update_bucket_metadata_inventory_table_configuration
    refused(code, status, call, Bucket=bucket, ExpectedBucketOwner=owner, **GIVEN)


def test_the_permission(s3, alice, anonymous, bucket, refused):
    call = alice.update_bucket_metadata_inventory_table_configuration
    refused("AccessDenied", 403, call, Bucket=bucket, **GIVEN)
    assert anonymous.request("PUT", f"/{bucket}", "metadataInventoryTable", body=DOCUMENT).told == (403, "AccessDenied")
    named = {"Principal": {"AWS": ALICE_ACCOUNT}, "Resource": f"arn:aws:s3:::{bucket}"}
    allowed = statement(bucket, Action="s3:UpdateBucketMetadataInventoryTableConfiguration", **named)
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allowed))
    refused("MetadataConfigurationNotFound", 404, call, Bucket=bucket, **GIVEN)
