"""PutBucketPolicy: what is stored, what is refused with which of AWS's texts, who may."""

import json

import pytest
from access import ALICE_ACCOUNT, ALICE_CANONICAL, everything, make_user, policy, statement
from botocore.exceptions import ClientError
from dev_server import ALICE
from raw_s3 import RawS3


def test_the_answer(raw, bucket):
    answer = raw.request("PUT", f"/{bucket}", "policy", body=policy(statement(bucket)).encode())
    assert (answer.status, answer.body) == (204, b"")
    assert "content-type" not in answer.headers


def test_it_replaces_what_was_there(s3, bucket, anonymous):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    assert anonymous.request("GET", f"/{bucket}/k").status == 200
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Resource=f"arn:aws:s3:::{bucket}/other/*")))
    assert anonymous.request("GET", f"/{bucket}/k").told == (403, "AccessDenied")


JSON = "Policies must be valid JSON and the first byte must be '{'"
MISMATCH = "Action does not apply to any resource(s) in statement"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Principal": None}, "Missing required field Principal"),
        ({"Effect": None}, "Missing required field Effect"),
        ({"Action": None}, "Missing required field Action"),
        ({"Resource": None}, "Missing required field Resource"),
        ({"Effect": "allow"}, "Invalid effect : allow"),
        ({"Foo": "x"}, "Unknown field Foo"),
        ({"Action": "s3:Nothing"}, "Policy has invalid action"),
        ({"Action": "ec2:RunInstances"}, "Policy has invalid action"),
        ({"Action": "s3:ListBucket"}, MISMATCH),
        ({"Action": ["s3:GetObject", "s3:ListBucket"]}, MISMATCH),
        ({"Resource": "arn:aws:s3:::BUCKET"}, MISMATCH),
        ({"Resource": "arn:aws:s3:::another-bucket/*"}, "Policy has invalid resource"),
        ({"Resource": "BUCKET/*"}, "Policy has invalid resource"),
        ({"Resource": "arn:aws:iam::000000000000:user/x"}, "Policy has invalid resource"),
        ({"Principal": "ann"}, "Invalid policy syntax."),
        ({"Principal": {"AWS": "ann"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "999999999999"}}, "Invalid principal in policy"),  # no such account
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:user/nobody"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:iam::111111111111:role/nobody"}}, "Invalid principal in policy"),
        ({"Principal": {"AWS": "arn:aws:sts::111111111111:assumed-role/nobody/s"}}, "Invalid principal in policy"),
        ({"Principal": {"CanonicalUser": "f" * 64}}, "Invalid principal in policy"),
        ({"Principal": None, "NotPrincipal": {"AWS": ALICE_ACCOUNT}}, "Allow with NotPrincipal is not allowed."),
        ({"Condition": {"StringMatches": {"aws:username": "a"}}}, "Invalid Condition type : StringMatches"),
        ({"Condition": {"StringEquals": {"s3:nothing": "a"}}}, "Policy has an invalid condition key"),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "a"}}},
            "Conditions do not apply to combination of actions and resources in statement",
        ),
    ],
)
def test_statements_that_are_refused(s3, bucket, refused, changes, message):
    text = policy(statement(bucket, **changes)).replace("BUCKET", bucket)
    assert refused("MalformedPolicy", 400, s3.put_bucket_policy, Bucket=bucket, Policy=text)["Message"] == message
    refused("NoSuchBucketPolicy", 404, s3.get_bucket_policy, Bucket=bucket)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", JSON),
        (" {}", JSON),
        ("[]", JSON),
        ('{"Statement": []', JSON),
        ('{"Version": "2012-10-17", "Version": "2012-10-17", "Statement": []}', JSON),
        ('{"Statement":' + "[" * 3000 + "]" * 3000 + "}", JSON),
        ("{}", "Missing required field Statement"),
        ('{"Statement": []}', "Could not parse the policy: Statement is empty!"),
        ('{"Version": "2020-01-01", "Statement": []}', "The policy must contain a valid version string"),
    ],
)
def test_texts_that_are_refused(raw, bucket, text, message):
    answer = raw.request("PUT", f"/{bucket}", "policy", body=text.encode())
    assert answer.told == (400, "MalformedPolicy")
    assert answer.error["Message"] == message


def test_no_text(raw, bucket):
    assert raw.request("PUT", f"/{bucket}", "policy").told == (400, "MissingRequestBodyError")


def test_the_detail_of_a_wrong_principal(s3, bucket, refused):
    text = policy(statement(bucket, Principal={"AWS": "arn:aws:iam::111111111111:user/nobody"}))
    error = refused("MalformedPolicy", 400, s3.put_bucket_policy, Bucket=bucket, Policy=text)
    assert error["Detail"] == '"AWS" : "arn:aws:iam::111111111111:user/nobody"'


def test_the_limit(s3, bucket, refused):
    def sized(length):
        made = {"Version": "2012-10-17", "Id": "", "Statement": [statement(bucket)]}
        made["Id"] = "x" * (length - len(json.dumps(made, separators=(",", ":"))))
        return json.dumps(made, indent=40)  # blanks do not count

    s3.put_bucket_policy(Bucket=bucket, Policy=sized(20 * 1024))
    error = refused("MalformedPolicy", 400, s3.put_bucket_policy, Bucket=bucket, Policy=sized(20 * 1024 + 1))
    assert error["Message"] == "Normalized policy document exceeds the maximum allowed size of 20480 bytes."


@pytest.mark.parametrize(
    "principal",
    [
        "*", {"AWS": "*"}, {"AWS": [ALICE_ACCOUNT, "*"]}, {"AWS": f"arn:aws:iam::{ALICE_ACCOUNT}:root"},
        {"CanonicalUser": ALICE_CANONICAL}, {"Service": "logging.s3.amazonaws.com"},
        {"AWS": f"arn:aws:sts::{ALICE_ACCOUNT}:federated-user/bob"},
    ],
)
def test_principals(s3, bucket, principal):
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Principal=principal)))
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Principal"] == principal


def test_a_user_that_exists(server, s3, bucket, new_name):
    arn, keys = make_user(server, new_name())
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    mine = server.client(keys)
    with pytest.raises(ClientError):
        mine.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket, Principal={"AWS": arn})))
    assert mine.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_public_policies_that_are_blocked(s3, bucket, refused):
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicPolicy": True})
    refused("AccessDenied", 403, s3.put_bucket_policy, Bucket=bucket, Policy=policy(statement(bucket)))
    private = [
        statement(bucket, Principal={"AWS": ALICE_ACCOUNT}),
        statement(bucket, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        statement(bucket, Effect="Deny"),
    ]
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(*private))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicPolicy": False})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))


def test_the_owner_is_never_locked_out(s3, bucket, refused):
    text = policy(everything(bucket, Effect="Deny"))
    s3.put_bucket_policy(Bucket=bucket, Policy=text, ConfirmRemoveSelfBucketAccess=True)
    refused("AccessDenied", 403, s3.list_objects_v2, Bucket=bucket)
    refused("AccessDenied", 403, s3.put_object, Bucket=bucket, Key="k", Body=b"")
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement(bucket)))
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.list_objects_v2(Bucket=bucket)


def test_another_account(server, s3, alice, bucket, refused):
    text = policy(everything(bucket, Principal={"AWS": ALICE_ACCOUNT}))
    refused("AccessDenied", 403, alice.put_bucket_policy, Bucket=bucket, Policy=text)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    refused("MethodNotAllowed", 405, alice.put_bucket_policy, Bucket=bucket, Policy=text)
    refused("MethodNotAllowed", 405, alice.get_bucket_policy, Bucket=bucket)
    refused("MethodNotAllowed", 405, alice.delete_bucket_policy, Bucket=bucket)
    alice.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert RawS3(server.port, ALICE).request("GET", f"/{bucket}/k").body == b"x"


def test_the_expected_owner(s3, bucket, refused):
    arguments = {"Bucket": bucket, "Policy": policy(statement(bucket))}
    refused("AccessDenied", 403, s3.put_bucket_policy, **arguments, ExpectedBucketOwner=ALICE_ACCOUNT)
    s3.put_bucket_policy(**arguments, ExpectedBucketOwner="000000000000")


def test_of_no_bucket(s3, new_name, refused):
    name = new_name()
    refused("NoSuchBucket", 404, s3.put_bucket_policy, Bucket=name, Policy=policy(statement(name)))


def test_a_wrong_digest(raw, bucket):
    text = policy(statement(bucket)).encode()
    assert raw.request("PUT", f"/{bucket}", "policy", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, text).told == (400, "BadDigest")
