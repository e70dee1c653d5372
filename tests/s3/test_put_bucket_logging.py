"""PutBucketLogging: which targets and grants are taken, and what each refusal says."""

import pytest
from dev_server import ALICE, BOB
from raw_s3 import RawS3

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
ALICE_ID = "a" * 64
BOB_ID = "b" * 64
NOWHERE = "The target bucket for logging does not exist"
NOT_OWNED = "The owner for the bucket to be logged and the target bucket must be the same."


@pytest.fixture
def target(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def target_with_acls(s3, new_name):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerPreferred")
    return name


def enable(s3, bucket, target, **more):
    enabled = {"TargetBucket": target, "TargetPrefix": "logs/", **more}
    return s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def get(s3, bucket):
    return s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")


def document(inner):
    return f'<BucketLoggingStatus xmlns="{NAMESPACE}">{inner}</BucketLoggingStatus>'.encode()


def enabled(target, more="", prefix="<TargetPrefix>logs/</TargetPrefix>"):
    return document(f"<LoggingEnabled><TargetBucket>{target}</TargetBucket>{more}{prefix}</LoggingEnabled>")


def send(raw, bucket, body, headers=None):
    return raw.request("PUT", f"/{bucket}", query=[("logging", "")], body=body, headers=headers)


@pytest.mark.parametrize("prefix", ["", "logs/", "a b/ü&<x>", "x" * 800])
def test_prefixes(s3, bucket, target, prefix):
    assert enable(s3, bucket, target, TargetPrefix=prefix)["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert get(s3, bucket) == {"TargetBucket": target, "TargetPrefix": prefix}


def test_a_prefix_that_leaves_no_room_for_a_name(s3, bucket, target, refused):
    error = refused("InvalidArgument", 400, enable, s3=s3, bucket=bucket, target=target, TargetPrefix="ü" * 401)
    assert error["ArgumentName"] == "TargetPrefix"


@pytest.mark.parametrize(
    "form",
    [
        {"SimplePrefix": {}},
        {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
        {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}},
        {"PartitionedPrefix": {}},
    ],
)
def test_formats_of_keys(s3, bucket, target, form):
    enable(s3, bucket, target, TargetObjectKeyFormat=form)
    assert get(s3, bucket)["TargetObjectKeyFormat"] == form


def test_a_bucket_may_log_to_itself(s3, bucket):
    enable(s3, bucket, bucket)
    assert get(s3, bucket)["TargetBucket"] == bucket


def test_turned_off(s3, raw, bucket, target):
    enable(s3, bucket, target)
    answer = send(raw, bucket, document(""))
    assert (answer.status, answer.body) == (200, b"")
    assert get(s3, bucket) is None


def test_replaced(s3, bucket, target):
    enable(s3, bucket, target, TargetObjectKeyFormat={"SimplePrefix": {}})
    enable(s3, bucket, bucket, TargetPrefix="other/")
    assert get(s3, bucket) == {"TargetBucket": bucket, "TargetPrefix": "other/"}


# -- targets -----------------------------------------------------------------------------------------------------------------


def test_a_target_that_is_not_there(raw, s3, bucket):
    answer = send(raw, bucket, enabled("no-such-bucket-of-anybody"))
    assert answer.told == (400, "InvalidTargetBucketForLogging")
    assert (answer.error["Message"], answer.error["TargetBucket"]) == (NOWHERE, "no-such-bucket-of-anybody")
    assert get(s3, bucket) is None


def test_a_target_of_another_account(raw, alice, bucket, new_name):
    name = new_name()
    alice.create_bucket(Bucket=name)
    answer = send(raw, bucket, enabled(name))
    assert answer.told == (400, "InvalidTargetBucketForLogging")
    assert answer.error["Message"] == NOT_OWNED


def test_tenants_name_their_own_buckets(bob, raw, target, new_name, refused):
    """The same name in another namespace is another bucket."""
    source = new_name()
    bob.create_bucket(Bucket=source)
    refused("InvalidTargetBucketForLogging", 400, enable, s3=bob, bucket=source, target=target)
    bob.create_bucket(Bucket=target)
    enable(bob, source, target)
    assert get(bob, source)["TargetBucket"] == target


def test_a_target_whose_requesters_pay(s3, bucket, target, refused):
    s3.put_bucket_request_payment(Bucket=target, RequestPaymentConfiguration={"Payer": "Requester"})
    error = refused("InvalidTargetBucketForLogging", 400, enable, s3=s3, bucket=bucket, target=target)
    assert "Requester Pays" in error["Message"]
    s3.put_bucket_request_payment(Bucket=target, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    enable(s3, bucket, target)


def test_a_target_with_a_default_retention(s3, bucket, new_name, refused):
    name = new_name()
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    enable(s3, bucket, name)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    error = refused("InvalidTargetBucketForLogging", 400, enable, s3=s3, bucket=bucket, target=name)
    assert "default retention" in error["Message"]


# -- grants ------------------------------------------------------------------------------------------------------------------


def grant(**grantee):
    return {"Grantee": grantee, "Permission": "READ"}


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (
            grant(Type="CanonicalUser", ID=ALICE_ID),
            {"Type": "CanonicalUser", "ID": ALICE_ID, "DisplayName": "alice"},
        ),
        (
            grant(Type="AmazonCustomerByEmail", EmailAddress="bob@example.com"),
            {"Type": "CanonicalUser", "ID": BOB_ID, "DisplayName": "bob"},
        ),
        (
            grant(Type="Group", URI="http://acs.amazonaws.com/groups/global/AllUsers"),
            {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"},
        ),
    ],
)
@pytest.mark.parametrize("permission", ["READ", "WRITE", "FULL_CONTROL"])
def test_grants(s3, bucket, target_with_acls, given, stored, permission):
    enable(s3, bucket, target_with_acls, TargetGrants=[{**given, "Permission": permission}])
    assert get(s3, bucket)["TargetGrants"] == [{"Grantee": stored, "Permission": permission}]


def test_grants_where_acls_are_disabled(s3, bucket, target, refused):
    one = grant(Type="CanonicalUser", ID=ALICE_ID)
    refused("AccessControlListNotSupported", 400, enable, s3=s3, bucket=bucket, target=target, TargetGrants=[one])
    assert get(s3, bucket) is None


@pytest.mark.parametrize(
    ("grantee", "code"),
    [
        (f'<Grantee {XSI} xsi:type="CanonicalUser"><ID>{"c" * 64}</ID></Grantee>', "InvalidArgument"),
        (
            f'<Grantee {XSI} xsi:type="AmazonCustomerByEmail"><EmailAddress>x@example.com</EmailAddress></Grantee>',
            "UnresolvableGrantByEmailAddress",
        ),
        (f'<Grantee {XSI} xsi:type="Group"></Grantee>', "MalformedXML"),
        ("", "MalformedXML"),
    ],
)
def test_grantees_that_are_nobody(raw, bucket, target_with_acls, grantee, code):
    grants = f"<TargetGrants><Grant>{grantee}<Permission>READ</Permission></Grant></TargetGrants>"
    assert send(raw, bucket, enabled(target_with_acls, grants)).told == (400, code)


# -- documents ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MissingRequestBodyError"),
        (b"<BucketLoggingStatus>", "MalformedXML"),
        (b"<Other/>", "MalformedXML"),
        (document("<LoggingEnabled></LoggingEnabled>"), "MalformedXML"),
        (document("<LoggingEnabled><TargetBucket>b</TargetBucket></LoggingEnabled>"), "MalformedXML"),
        (document("<LoggingEnabled><TargetPrefix>p</TargetPrefix></LoggingEnabled>"), "MalformedXML"),
        (enabled("b", "<TargetObjectKeyFormat></TargetObjectKeyFormat>"), "MalformedXML"),
        (
            enabled("b", "<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix/></TargetObjectKeyFormat>"),
            "MalformedXML",
        ),
        (
            enabled(
                "b",
                "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>Never</PartitionDateSource>"
                "</PartitionedPrefix></TargetObjectKeyFormat>",
            ),
            "MalformedXML",
        ),
        (enabled("b", "<TargetGrants><Grant><Permission>READ_ACP</Permission></Grant></TargetGrants>"), "MalformedXML"),
    ],
)
def test_documents_that_are_none(raw, bucket, body, code):
    assert send(raw, bucket, body).told == (400, code)


def test_a_wrong_digest(raw, bucket):
    assert send(raw, bucket, document(""), {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}).told == (400, "BadDigest")


# -- who may -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "code"), [(None, "AccessDenied"), (ALICE, "AccessDenied"), (BOB, "NoSuchBucket")])
def test_others_may_not(server, bucket, keys, code):
    assert send(RawS3(server.port, keys), bucket, document("")).code == code


def test_the_expected_owner(raw, bucket):
    answer = send(raw, bucket, document(""), {"x-amz-expected-bucket-owner": "111111111111"})
    assert answer.told == (403, "AccessDenied")


def test_bucket_that_is_not_there(raw):
    assert send(raw, "no-such-bucket-of-anybody", document("")).told == (404, "NoSuchBucket")
