"""When S3 calls a bucket policy public."""

import json

import pytest

from dolmen.gateway.auth.authorize import policy_is_public, public_status
from dolmen.gateway.auth.policy.document import parse_policy


def policy(**changes):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **changes}
    found = {name: value for name, value in statement.items() if value is not None}
    return parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [found]}), kind="bucket", bucket="b")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": ["111111111111", "*"]}}, True),
        ({"Principal": {"AWS": "111111111111"}}, False),
        ({"Principal": {"Service": "logging.s3.amazonaws.com"}}, False),
        ({"Effect": "Deny"}, False),
        ({"Effect": "Deny", "Principal": None, "NotPrincipal": {"AWS": "111111111111"}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "2001:db8::/32"]}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "64.0.0.0/7"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "64.0.0.0/8"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "172.16.0.0/12"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "::/0"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "2001::/16"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "fd00::/8"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "0.0.0.0/0"]}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}, True),
        ({"Condition": {"IpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}}, False),
        ({"Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-1", "vpc-2"]}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}, False),
        ({"Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({"Condition": {"ForAllValues:StringEquals": {"aws:SourceVpc": "vpc-1"}}}, True),
        ({"Condition": {"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}}}, False),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:us-east-1:111111111111:t"}}}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}}, False),
        ({"Condition": {"StringEquals": {"aws:userid": "AIDA1"}}}, False),
        ({"Condition": {"StringLike": {"aws:userid": "AROA1:*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}}, True),
        ({"Condition": {"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:111111111111:accesspoint/*"}}}, False),
        ({"Condition": {"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-west-1:*:accesspoint/a"}}}, True),
        ({"Condition": {"StringEquals": {"aws:Referer": "http://example.com/"}}}, True),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
        ({"Condition": {"Null": {"aws:SourceVpc": "false"}}}, True),
    ],
)
def test_statements(changes, expected):
    assert policy_is_public(policy(**changes)) is expected
    assert public_status(policy(**changes)) is expected


def test_one_public_statement_is_enough():
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"},
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/public/*"},
        {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"},
    ]
    assert policy_is_public(parse_policy(json.dumps({"Statement": statements}), kind="bucket", bucket="b"))
    del statements[1]
    assert not policy_is_public(parse_policy(json.dumps({"Statement": statements}), kind="bucket", bucket="b"))


def test_a_policy_of_an_identity_is_never_public():
    text = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    assert not policy_is_public(parse_policy(text, kind="identity"))
