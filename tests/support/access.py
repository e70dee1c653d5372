"""Policies, ACLs and callers for tests of access."""

from __future__ import annotations

import json
from typing import Any

import boto3
from botocore.config import Config
from dev_server import REGION, ROOT, DevServer

ROOT_ACCOUNT, ALICE_ACCOUNT, BOB_ACCOUNT = "000000000000", "111111111111", "222222222222"
ALICE_CANONICAL, BOB_CANONICAL = "a" * 64, "b" * 64
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


def statement(bucket: str, **changes: Any) -> dict[str, Any]:
    """A statement that lets everybody read the objects of a bucket, with changes (None takes an element away)."""
    base = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)})


def everything(bucket: str, **changes: Any) -> dict[str, Any]:
    """A statement about every action on a bucket and its objects."""
    return statement(bucket, Action="s3:*", Resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], **changes)


def grants_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """(grantee, permission) of GetBucketAcl's or GetObjectAcl's answer."""
    return [(one["Grantee"].get("ID") or one["Grantee"]["URI"], one["Permission"]) for one in answer["Grants"]]


def iam_client(server: DevServer, keys: tuple[str, str] = ROOT):
    """A boto3 client of IAM."""
    return boto3.session.Session().client(
        "iam", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=keys[0], aws_secret_access_key=keys[1],
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )


def make_user(server: DevServer, name: str, document: str | None = None) -> tuple[str, tuple[str, str]]:
    """(ARN, access key) of a new user of the root account, with an inline policy."""
    iam = iam_client(server)
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    if document is not None:
        iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return arn, (key["AccessKeyId"], key["SecretAccessKey"])
