"""Users, roles and their S3 clients on a running store, for tests over HTTP."""

from __future__ import annotations

import itertools
import json
import os

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from dev_server import REGION, ROOT

ACCOUNT = "000000000000"  # of the root keys
_NUMBERS = itertools.count()
_ONCE = {"total_max_attempts": 1, "mode": "standard"}


def document(*statements):
    """A policy document: ``("Allow", actions, resources, conditions)`` for each statement."""
    made = []
    for effect, action, resource, *condition in statements:
        made.append({"Effect": effect, "Action": action, "Resource": resource, **dict(zip(["Condition"], condition, strict=False))})
    return json.dumps({"Version": "2012-10-17", "Statement": made})


def trust(principal, *actions, condition=None):
    """A trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions or ["sts:AssumeRole"])}
    if condition is not None:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class People:
    """Makes them in one account."""

    def __init__(self, server, keys=ROOT):
        self.server = server
        self.keys = keys
        self.iam = self.client("iam", keys)
        self.sts = self.client("sts", keys)

    def client(self, service, keys=None, token=None, region=REGION, **config):
        """A boto3 client; ``keys``: (id, secret), or Credentials of STS; None does not sign."""
        if isinstance(keys, dict):
            keys, token = (keys["AccessKeyId"], keys["SecretAccessKey"]), keys.get("SessionToken")
        if keys is None:
            config["signature_version"] = UNSIGNED
        return boto3.session.Session().client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=region,
            aws_access_key_id=keys[0] if keys else None,
            aws_secret_access_key=keys[1] if keys else None,
            aws_session_token=token,
            config=Config(retries=_ONCE, **config),
        )

    def name(self, what):
        return f"{what}-{os.getpid()}-{next(_NUMBERS)}"

    def user(self, *policies, **given):
        """(name, keys) of a new user with inline policies."""
        name = self.name("user")
        self.iam.create_user(UserName=name, **given)
        for number, policy in enumerate(policies):
            self.iam.put_user_policy(UserName=name, PolicyName=f"p{number}", PolicyDocument=policy)
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        return name, (key["AccessKeyId"], key["SecretAccessKey"])

    def role(self, trusted, *policies, **given):
        """The ARN of a new role."""
        name = self.name("role")
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusted, **given)
        for number, policy in enumerate(policies):
            self.iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=policy)
        return made["Role"]["Arn"]

    def policy(self, *statements):
        """The ARN of a new managed policy."""
        return self.iam.create_policy(PolicyName=self.name("policy"), PolicyDocument=document(*statements))["Policy"]["Arn"]
