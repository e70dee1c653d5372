"""IAM and STS in one process: ``serve`` with a store in memory, its answers read by botocore's own parsers."""

import functools
import json
import urllib.parse

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

from dolmen.gateway.auth.accounts import Account, Accounts
from dolmen.gateway.auth.facts import RequestFacts
from dolmen.gateway.iam.identities import Identities
from dolmen.gateway.iam.query import make_realm, serve
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.outbound import Outbound

NOW_US = 1_795_503_357_000_000  # 2026-11-24T06:55:57Z
ALICE = Account("123456789012", "a" * 64, "alice", "alice@example.com")
BOB = Account("210987654321", "b" * 64, "bob", "bob@example.com")
KEY = bytes(range(32))


class ManualClock:
    """Time that a test moves."""

    def __init__(self):
        self.us = NOW_US
        self.seconds = 1000.0

    def now_us(self):
        return self.us

    def monotonic_seconds(self):
        return self.seconds

    def move(self, seconds):
        self.us += int(seconds * 1_000_000)
        self.seconds += seconds


@functools.cache
def model_of(service):
    loaded = botocore.loaders.Loader().load_service_model(service, "service-2")
    return botocore.model.ServiceModel(loaded, service)


@functools.cache
def shared_outbound():
    """Reading the trusted certificates takes longer than most tests; a test closes the connections that it opened."""
    return Outbound()


class Refused(Exception):
    """An error of the service, as botocore reads it."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error}")
        self.status = status
        self.code = error["Code"]
        self.message = error["Message"]
        self.kind = error["Type"]


class World:
    """Accounts, their store, and calls to both services in the name of somebody."""

    def __init__(self, store=None):
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock) if store is None else store
        keys = {"AKIAROOTOFALICE00000": (ALICE, "alice-secret"), "AKIAROOTOFBOB0000000": (BOB, "bob-secret")}
        self.accounts = Accounts(keys, {ALICE.account_id: ALICE, BOB.account_id: BOB})
        self.outbound = shared_outbound()
        self.identities = Identities(self.accounts, self.store, KEY, self.clock)
        self.realm = make_realm(self.accounts, self.store, KEY, self.clock, self.outbound)
        self.alice = self.identities.static("AKIAROOTOFALICE00000").principal
        self.bob = self.identities.static("AKIAROOTOFBOB0000000").principal

    def facts(self):
        return RequestFacts(
            method="POST", headers={}, query={}, source_ip="192.0.2.7", secure=False, now_us=self.clock.now_us()
        )

    async def raw(self, service, principal, parameters):
        return await serve(service, principal, parameters, self.facts(), self.realm, "request-1")

    async def call(self, service, action, principal="alice", /, **given):
        """As a boto3 client would: the parsed answer, or ``Refused``."""
        principal = self.alice if principal == "alice" else principal
        operation = model_of(service).operation_model(action)
        sent = botocore.serialize.create_serializer("query", include_validation=False).serialize_to_request(given, operation)
        form = {name: as_form(value) for name, value in sent["body"].items()}
        answer = await self.raw(service, principal, form)
        headers = {name.decode(): value.decode() for name, value in answer.headers}
        parser = botocore.parsers.create_parser("query")
        parsed = parser.parse({"status_code": answer.status, "headers": headers, "body": answer.body}, operation.output_shape)
        assert parsed["ResponseMetadata"]["RequestId"] == "request-1"
        if answer.status >= 300:
            raise Refused(answer.status, parsed["Error"])
        del parsed["ResponseMetadata"]
        return parsed

    async def iam(self, action, *principal, **given):
        return await self.call("iam", action, *principal, **given)

    async def sts(self, action, *principal, **given):
        return await self.call("sts", action, *principal, **given)

    async def user(self, name, *documents, **given):
        """A user with inline policies: its principal, by a key of its own."""
        await self.iam("CreateUser", UserName=name, **given)
        for number, document in enumerate(documents):
            await self.iam("PutUserPolicy", UserName=name, PolicyName=f"p{number}", PolicyDocument=document)
        key = (await self.iam("CreateAccessKey", UserName=name))["AccessKey"]
        return await self.who(key["AccessKeyId"])

    async def who(self, access_key_id, token=""):
        return (await self.identities.find(access_key_id, token)).principal

    async def session(self, credentials):
        """The principal of temporary credentials."""
        found = await self.identities.find(credentials["AccessKeyId"], credentials["SessionToken"])
        assert found.secret == credentials["SecretAccessKey"]
        return found.principal


def as_form(value):
    return value if isinstance(value, str) else urllib.parse.unquote(str(value))


def allow(*actions, resource="*", **more):
    """A policy document with one statement that allows."""
    return statement("Allow", actions, resource, more)


def deny(*actions, resource="*", **more):
    return statement("Deny", actions, resource, more)


def statement(effect, actions, resource, more):
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": list(actions), "Resource": resource, **more}]}
    )
