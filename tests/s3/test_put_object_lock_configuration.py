"""PutObjectLockConfiguration: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectLockConfiguration.html"""

import pytest


def put(s3, bucket, **default):
    wanted = {"ObjectLockEnabled": "Enabled"}
    if default:
        wanted["Rule"] = {"DefaultRetention": default}
    return s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)


def told(s3, bucket):
    return s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]


@pytest.mark.parametrize(
    "default",
    [
        {"Mode": "GOVERNANCE", "Days": 1},
        {"Mode": "COMPLIANCE", "Days": 36500},
        {"Mode": "GOVERNANCE", "Years": 1},
        {"Mode": "COMPLIANCE", "Years": 100},
    ],
)
def test_set_and_told(s3, lockable, default):
    assert put(s3, lockable, **default)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert told(s3, lockable) == {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}


def test_the_default_may_change_and_go(s3, lockable):
    put(s3, lockable, Mode="COMPLIANCE", Days=9)
    put(s3, lockable, Mode="GOVERNANCE", Years=2)
    assert told(s3, lockable)["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Years": 2}
    put(s3, lockable)
    assert told(s3, lockable) == {"ObjectLockEnabled": "Enabled"}


def test_a_versioned_bucket_gets_object_lock_later(s3, versioned, refused):
    refused("ObjectLockConfigurationNotFoundError", 404, s3.get_object_lock_configuration, Bucket=versioned)
    put(s3, versioned)
    assert told(s3, versioned) == {"ObjectLockEnabled": "Enabled"}
    s3.put_object(Bucket=versioned, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    refused(
        "InvalidBucketState", 409, s3.put_bucket_versioning,
        Bucket=versioned, VersioningConfiguration={"Status": "Suspended"},
    )  # fmt: skip


@pytest.mark.parametrize("status", [None, "Suspended"])
def test_versioning_must_be_enabled(s3, bucket, refused, status):
    if status:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    error = refused(
        "InvalidBucketState", 409, s3.put_object_lock_configuration,
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"},
    )  # fmt: skip
    assert error["Message"] == "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
    refused("ObjectLockConfigurationNotFoundError", 404, s3.get_object_lock_configuration, Bucket=bucket)


def test_versioning_stays_on(s3, lockable, refused):
    assert s3.get_bucket_versioning(Bucket=lockable)["Status"] == "Enabled"
    error = refused(
        "InvalidBucketState", 409, s3.put_bucket_versioning,
        Bucket=lockable, VersioningConfiguration={"Status": "Suspended"},
    )  # fmt: skip
    wanted = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
    assert error["Message"] == wanted
    s3.put_bucket_versioning(Bucket=lockable, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=lockable)["Status"] == "Enabled"


def document(default, enabled="<ObjectLockEnabled>Enabled</ObjectLockEnabled>"):
    rule = "" if default is None else f"<Rule><DefaultRetention>{default}</DefaultRetention></Rule>"
    return f"<ObjectLockConfiguration>{enabled}{rule}</ObjectLockConfiguration>".encode()


MODE, DAYS, YEARS = "<Mode>GOVERNANCE</Mode>", "<Days>1</Days>", "<Years>1</Years>"
BROKEN = {
    "no body": b"",
    "empty": b"<ObjectLockConfiguration/>",
    "not enabled": document(MODE + DAYS, ""),
    "disabled": document(None, "<ObjectLockEnabled>Disabled</ObjectLockEnabled>"),
    "an empty rule": document(None).replace(b"</ObjectLockConf", b"<Rule/></ObjectLockConf"),
    "an empty default": document(""),
    "a mode only": document(MODE),
    "days only": document(DAYS),
    "days and years": document(MODE + DAYS + YEARS),
    "another mode": document("<Mode>governance</Mode>" + DAYS),
    "no number": document(MODE + "<Days>one</Days>"),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_malformed(raw, lockable, body):
    assert raw.request("PUT", f"/{lockable}", "object-lock", body=body).told == (400, "MalformedXML")


NOT_POSITIVE, TOO_LARGE = "Default retention period must be a positive integer value.", "Default retention period too large."


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        ("Days", 0, NOT_POSITIVE),
        ("Days", -1, NOT_POSITIVE),
        ("Days", 36501, TOO_LARGE),
        ("Years", 0, NOT_POSITIVE),
        ("Years", -1, NOT_POSITIVE),
        ("Years", 101, TOO_LARGE),
    ],
)
def test_the_period_has_limits(raw, lockable, name, number, text):
    answer = raw.request("PUT", f"/{lockable}", "object-lock", body=document(f"{MODE}<{name}>{number}</{name}>"))
    assert answer.told == (400, "InvalidArgument")
    told = answer.error
    assert (told["Message"], told["ArgumentName"], told["ArgumentValue"]) == (text, name, str(number))


def test_no_such_bucket(s3, new_name, refused):
    refused(
        "NoSuchBucket", 404, s3.put_object_lock_configuration,
        Bucket=new_name(), ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"},
    )  # fmt: skip


def test_another_account(alice, lockable, refused):
    refused(
        "AccessDenied", 403, alice.put_object_lock_configuration,
        Bucket=lockable, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"},
    )  # fmt: skip


def test_a_token_is_not_needed(s3, versioned):
    """AWS once gave tokens to turn object lock on for a bucket that was there."""
    wanted = {"ObjectLockEnabled": "Enabled"}
    s3.put_object_lock_configuration(Bucket=versioned, ObjectLockConfiguration=wanted, Token="token")
    assert told(s3, versioned) == wanted
