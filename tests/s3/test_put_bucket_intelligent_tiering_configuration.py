"""PutBucketIntelligentTieringConfiguration: kept as it came, by its id."""

import pytest
from configurations import TIERING, check_bad_documents, check_bad_ids, check_put, check_strangers


def test_round_trips(s3, bucket):
    check_put(TIERING, s3, bucket)


def test_ids(s3, bucket, refused):
    check_bad_ids(TIERING, s3, bucket, refused)


def test_documents_that_are_none(raw, bucket):
    tiering = "<Tiering><Days>100</Days><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>"
    inners = (
        "<Status>Enabled</Status>",
        tiering,
        f"<Status>On</Status>{tiering}",
        f"<Status>Enabled</Status>{tiering}{tiering}",
        "<Status>Enabled</Status><Tiering><Days>100</Days><AccessTier>FROZEN</AccessTier></Tiering>",
        "<Status>Enabled</Status><Tiering><AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering>",
    )
    root = "IntelligentTieringConfiguration"
    bodies = [f"<{root}><Id>x</Id>{inner}</{root}>".encode() for inner in inners]
    check_bad_documents(TIERING, raw, bucket, bodies)


def test_strangers(alice, bucket, refused):
    check_strangers(TIERING, alice, bucket, refused)


@pytest.mark.parametrize(("tier", "days"), [("ARCHIVE_ACCESS", 89), ("ARCHIVE_ACCESS", 731), ("DEEP_ARCHIVE_ACCESS", 179)])
def test_days_out_of_bounds(s3, bucket, refused, tier, days):
    document = {"Id": "x", "Status": "Enabled", "Tierings": [{"Days": days, "AccessTier": tier}]}
    call = s3.put_bucket_intelligent_tiering_configuration
    error = refused("InvalidArgument", 400, call, Bucket=bucket, Id="x", IntelligentTieringConfiguration=document)
    assert (error["ArgumentName"], error["ArgumentValue"]) == ("Days", str(days))
