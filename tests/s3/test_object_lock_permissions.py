"""Who may lock, see locks, and bypass them. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html"""

import datetime
import json

import pytest

UNTIL = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
GOVERNANCE = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
ON_HOLD = {"ObjectLockLegalHoldStatus": "ON"}


def allow(s3, bucket, *actions, deny=(), **more):
    def statement(effect, named, **condition):
        return {
            "Effect": effect,
            "Principal": {"AWS": "111111111111"},
            "Action": [f"s3:{action}" for action in named],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
            **condition,
        }

    statements = [statement("Allow", actions, **more)]
    if deny:
        statements.append(statement("Deny", deny))
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def locks(answer):
    return {name for name in answer if name.startswith("ObjectLock")}


@pytest.mark.parametrize(
    ("actions", "seen"),
    [
        ((), set()),
        (("GetObjectRetention",), set(GOVERNANCE)),
        (("GetObjectLegalHold",), set(ON_HOLD)),
        (("GetObjectRetention", "GetObjectLegalHold"), {*GOVERNANCE, *ON_HOLD}),
    ],
)
def test_reads_show_locks_to_those_who_may_know(s3, alice, lockable, actions, seen):
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", **GOVERNANCE, **ON_HOLD)
    allow(s3, lockable, "GetObject", *actions)
    assert locks(alice.head_object(Bucket=lockable, Key="k")) == seen
    assert locks(alice.get_object(Bucket=lockable, Key="k")) == seen


@pytest.mark.parametrize(("lock", "action"), [(GOVERNANCE, "PutObjectRetention"), (ON_HOLD, "PutObjectLegalHold")])
def test_writes_need_a_permission_for_each_header(s3, alice, lockable, refused, lock, action):
    allow(s3, lockable, "PutObject")
    alice.put_object(Bucket=lockable, Key="k", Body=b"x")
    refused("AccessDenied", 403, alice.put_object, Bucket=lockable, Key="k", Body=b"x", **lock)
    refused("AccessDenied", 403, alice.create_multipart_upload, Bucket=lockable, Key="k", **lock)
    allow(s3, lockable, "PutObject", action)
    alice.put_object(Bucket=lockable, Key="k", Body=b"x", **lock)
    assert locks(s3.head_object(Bucket=lockable, Key="k")) == set(lock)


def test_a_default_needs_no_permission(s3, alice, lockable):
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=lockable, ObjectLockConfiguration=wanted)
    allow(s3, lockable, "PutObject")
    alice.put_object(Bucket=lockable, Key="k", Body=b"x")
    assert s3.head_object(Bucket=lockable, Key="k")["ObjectLockMode"] == "COMPLIANCE"


def test_the_bypass_needs_its_permission(s3, alice, lockable, refused):
    version = s3.put_object(Bucket=lockable, Key="k", Body=b"x", **GOVERNANCE)["VersionId"]
    allow(s3, lockable, "DeleteObjectVersion", "PutObjectRetention")
    gone = {"Bucket": lockable, "Key": "k", "VersionId": version, "BypassGovernanceRetention": True}
    refused("AccessDenied", 403, alice.delete_object, **gone)
    refused(
        "AccessDenied", 403, alice.put_object_retention,
        Bucket=lockable, Key="k", Retention={}, BypassGovernanceRetention=True,
    )  # fmt: skip
    answer = alice.delete_objects(
        Bucket=lockable, Delete={"Objects": [{"Key": "k", "VersionId": version}]}, BypassGovernanceRetention=True
    )
    assert [one["Code"] for one in answer["Errors"]] == ["AccessDenied"]
    allow(s3, lockable, "DeleteObjectVersion", "BypassGovernanceRetention")
    del gone["BypassGovernanceRetention"]
    refused("AccessDenied", 403, alice.delete_object, **gone)  # the permission alone is not enough
    assert alice.delete_object(**gone, BypassGovernanceRetention=True)["VersionId"] == version


def test_extending_needs_no_bypass(s3, alice, lockable):
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", **GOVERNANCE)
    allow(s3, lockable, "PutObjectRetention")
    later = {"Mode": "GOVERNANCE", "RetainUntilDate": UNTIL + datetime.timedelta(days=1)}
    alice.put_object_retention(Bucket=lockable, Key="k", Retention=later)
    assert s3.get_object_retention(Bucket=lockable, Key="k")["Retention"] == later


def test_a_denied_bypass_binds_the_owner_too(s3, lockable, refused):
    version = s3.put_object(Bucket=lockable, Key="k", Body=b"x", **GOVERNANCE)["VersionId"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:BypassGovernanceRetention",
                "Resource": f"arn:aws:s3:::{lockable}/*",
            }
        ],
    }
    s3.put_bucket_policy(Bucket=lockable, Policy=json.dumps(policy))
    refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=version, BypassGovernanceRetention=True)
    assert s3.get_object(Bucket=lockable, Key="k")["Body"].read() == b"x"


def test_nobody_locks_without_a_name(s3, anonymous, lockable):
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{lockable}/*"}],
    }
    s3.put_public_access_block(
        Bucket=lockable,
        PublicAccessBlockConfiguration=dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False
        ),
    )
    s3.put_bucket_policy(Bucket=lockable, Policy=json.dumps(policy))
    headers = {"x-amz-object-lock-legal-hold": "ON", "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    answer = anonymous.request("PUT", f"/{lockable}/k", headers=headers, body=b"x")
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["Message"] == "Put Object requests with Object Lock parameters require AWS Signature Version 4"
    del headers["x-amz-object-lock-legal-hold"]
    assert anonymous.request("PUT", f"/{lockable}/k", headers=headers, body=b"x").status == 200
