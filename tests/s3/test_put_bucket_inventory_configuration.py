"""PutBucketInventoryConfiguration: kept as it came, by its id."""

import pytest
from configurations import INVENTORY, check_bad_documents, check_bad_ids, check_put, check_strangers


def test_round_trips(s3, bucket):
    check_put(INVENTORY, s3, bucket)


def test_ids(s3, bucket, refused):
    check_bad_ids(INVENTORY, s3, bucket, refused)


def test_documents_that_are_none(raw, bucket):
    body = (
        '<InventoryConfiguration><Destination><S3BucketDestination><Bucket>{arn}</Bucket><Format>{format}</Format>'
        "</S3BucketDestination></Destination><IsEnabled>true</IsEnabled><Id>x</Id>"
        "<IncludedObjectVersions>{versions}</IncludedObjectVersions><Schedule><Frequency>{often}</Frequency></Schedule>"
        "<OptionalFields><Field>{field}</Field></OptionalFields></InventoryConfiguration>"
    )
    good = {"arn": "arn:aws:s3:::b", "format": "CSV", "versions": "All", "often": "Daily", "field": "Size"}
    wrong = ({"format": "XML"}, {"versions": "Some"}, {"often": "Hourly"}, {"field": "Colour"})
    bodies = [body.format(**{**good, **change}).encode() for change in wrong]
    check_bad_documents(INVENTORY, raw, bucket, bodies)


def test_strangers(alice, bucket, refused):
    check_strangers(INVENTORY, alice, bucket, refused)


@pytest.mark.parametrize("arn", ["reports", "arn:aws:s3:::", "arn:aws:sqs:::x", ""])
def test_a_destination_that_is_no_bucket(s3, bucket, refused, arn):
    document = {"Id": "x", **INVENTORY.documents[0], "Destination": {"S3BucketDestination": {"Bucket": arn, "Format": "CSV"}}}
    call = s3.put_bucket_inventory_configuration
    error = refused("InvalidS3DestinationBucket", 400, call, Bucket=bucket, Id="x", InventoryConfiguration=document)
    assert error["Message"] == "Invalid bucket ARN."
