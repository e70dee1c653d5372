"""awscli of today: `aws iam` and `aws sts`, as an administrator uses them."""

import json
import os

import pytest
from dev_server import ROOT

pytestmark = pytest.mark.clients
ACCOUNT = "000000000000"


@pytest.fixture
def aws(client):
    """``aws("iam", "list-users")``: the document that it prints; ``keys``: (id, secret[, token])."""
    installed = client("aws")

    def run(*arguments, keys=ROOT, exit_code=0, **options):
        environment = {"AWS_ACCESS_KEY_ID": keys[0], "AWS_SECRET_ACCESS_KEY": keys[1]}
        if len(keys) > 2:
            environment["AWS_SESSION_TOKEN"] = keys[2]
        command = ("aws", "--endpoint-url", installed.endpoint, "--output", "json", *arguments)
        printed = installed.run(*command, exit_code=exit_code, with_log=exit_code != 0, **environment, **options)
        return printed if exit_code else json.loads(printed or "{}")

    run.home, run.endpoint = installed.home, installed.endpoint
    return run


def keys_of(credentials):
    return tuple(credentials[name] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken") if name in credentials)


def policy(*statements):
    made = [{"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": made})


@pytest.fixture
def name():
    return f"cli-{os.getpid()}"


def test_a_session_of_an_administrator(aws, name, bucket, s3):
    s3.put_object(Bucket=bucket, Key="in/one", Body=b"1")
    assert aws("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert aws("iam", "get-user")["User"]["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    made = aws("iam", "create-user", "--user-name", name, "--path", "/cli/", "--tags", "Key=team,Value=blue")["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/cli/{name}"
    keys = keys_of(aws("iam", "create-access-key", "--user-name", name)["AccessKey"])
    (aws.home / "p.json").write_text(policy(("s3:GetObject", f"arn:aws:s3:::{bucket}/in/*")))
    created = aws("iam", "create-policy", "--policy-name", name, "--policy-document", "file://p.json")["Policy"]
    get = ("s3api", "get-object", "--bucket", bucket, "--key", "in/one", str(aws.home / "got"))
    assert "AccessDenied" in aws(*get, keys=keys, exit_code=255)
    aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", created["Arn"])
    aws(*get, keys=keys)
    assert (aws.home / "got").read_bytes() == b"1"
    shown = aws("iam", "get-policy-version", "--policy-arn", created["Arn"], "--version-id", "v1")
    assert shown["PolicyVersion"]["Document"]["Statement"][0]["Action"] == "s3:GetObject"
    assert "AccessDenied" in aws("iam", "list-users", keys=keys, exit_code=255)
    assert "DeleteConflict" in aws("iam", "delete-user", "--user-name", name, exit_code=255)
    listed = aws("iam", "list-users", "--path-prefix", "/cli/", "--max-items", "1")
    assert [user["UserName"] for user in listed["Users"]] == [name]
    aws("iam", "detach-user-policy", "--user-name", name, "--policy-arn", created["Arn"])
    aws("iam", "delete-access-key", "--user-name", name, "--access-key-id", keys[0])
    aws("iam", "delete-user", "--user-name", name)
    aws("iam", "delete-policy", "--policy-arn", created["Arn"])
    assert "NoSuchEntity" in aws("iam", "get-user", "--user-name", name, exit_code=255)
    assert "InvalidClientTokenId" in aws("sts", "get-caller-identity", keys=keys, exit_code=255)


def test_groups_roles_and_temporary_credentials(aws, name, bucket, s3):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    user, group, role = f"{name}-u", f"{name}-g", f"{name}-r"
    aws("iam", "create-user", "--user-name", user)
    aws("iam", "create-group", "--group-name", group)
    aws("iam", "add-user-to-group", "--user-name", user, "--group-name", group)
    trusted = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    arn = aws("iam", "create-role", "--role-name", role, "--assume-role-policy-document", document)["Role"]["Arn"]
    aws("iam", "attach-role-policy", "--role-name", role, "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3FullAccess")
    document = policy(("sts:AssumeRole", arn))
    aws("iam", "put-group-policy", "--group-name", group, "--policy-name", "assume", "--policy-document", document)
    keys = keys_of(aws("iam", "create-access-key", "--user-name", user)["AccessKey"])
    given = aws("sts", "assume-role", "--role-arn", arn, "--role-session-name", "cli", keys=keys)
    session = keys_of(given["Credentials"])
    who = aws("sts", "get-caller-identity", keys=session)
    assert who["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/cli"
    aws("s3api", "head-object", "--bucket", bucket, "--key", "k", keys=session)
    aws("s3api", "head-object", "--bucket", bucket, "--key", "k", keys=keys, exit_code=255)
    token = keys_of(aws("sts", "get-session-token", keys=keys)["Credentials"])
    assert aws("sts", "get-caller-identity", keys=token)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{user}"
    detail = aws("iam", "get-account-authorization-details", "--filter", "Group")
    assert group in [one["GroupName"] for one in detail["GroupDetailList"]]


def test_a_profile_that_assumes_a_role(aws, name, bucket, s3):
    """`role_arn` and `source_profile` in the configuration: the command assumes the role by itself."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    user, role = f"{name}-pu", f"{name}-pr"
    aws("iam", "create-user", "--user-name", user)
    keys = keys_of(aws("iam", "create-access-key", "--user-name", user)["AccessKey"])
    trusted = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{user}"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
    arn = aws("iam", "create-role", "--role-name", role, "--assume-role-policy-document", document)["Role"]["Arn"]
    aws("iam", "attach-role-policy", "--role-name", role, "--policy-arn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    (aws.home / ".aws").mkdir()
    (aws.home / ".aws" / "config").write_text(
        f"[profile base]\naws_access_key_id = {keys[0]}\naws_secret_access_key = {keys[1]}\nregion = us-east-1\n"
        f"[profile work]\nrole_arn = {arn}\nsource_profile = base\nregion = us-east-1\n"
    )
    shown = aws("--profile", "work", "sts", "get-caller-identity", AWS_ENDPOINT_URL=aws.endpoint)
    assert shown["Arn"].startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/")
