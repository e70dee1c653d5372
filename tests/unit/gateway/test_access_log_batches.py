"""Lines of access logs in memory: bounded, delivered in time, kept while the store is away, dropped when nobody takes them."""

import asyncio
import contextlib
from types import SimpleNamespace

import msgspec
import pytest

from dolmen.core.clock import SystemClock
from dolmen.core.errors import Unavailable
from dolmen.gateway.auth.accounts import Account
from dolmen.gateway.auth.principal import Principal, root_principal
from dolmen.gateway.delivery import access_logs
from dolmen.gateway.delivery.access_logs import ATTEMPTS_MAX, DROPPED, AccessLogs, target_of
from dolmen.gateway.handlers.logging import note_copied, note_deleted
from dolmen.gateway.metadata.records import BucketRecord
from dolmen.gateway.metadata.store import NoSuchBucket
from dolmen.gateway.s3.access_log import LogEntry
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.model.inputs_generated import LoggingEnabled, PartitionedPrefix, TargetObjectKeyFormat

DAY_US = 86_400 * 1_000_000
NOON_US = 20_000 * DAY_US + DAY_US // 2
BY_DAY = TargetObjectKeyFormat(partitioned_prefix=PartitionedPrefix(partition_date_source="EventTime"))


def bucket(name="logged", **target):
    enabled = LoggingEnabled(target_bucket="logs", target_prefix="p/", **target)
    return BucketRecord(
        name=name, bucket_id=name.encode().ljust(16, b"."), owner="1" * 12, region="r", created_us=1,
        config={"logging": msgspec.msgpack.encode(enabled)},
    )  # fmt: skip


def entry(time_us=NOON_US, agent="agent", **more):
    return LogEntry(bucket_owner="o", bucket="logged", time_us=time_us, operation="REST.GET.OBJECT", user_agent=agent, **more)


class Delivered:
    """Takes batches, or raises what it is told to."""

    def __init__(self):
        self.batches = []
        self.attempts = 0
        self.error = None

    async def __call__(self, batch):
        self.attempts += 1
        if self.error is not None:
            raise self.error
        self.batches.append(batch)

    @property
    def lines(self):
        return [line for batch in self.batches for line in batch.lines]


@pytest.fixture
def delivered():
    return Delivered()


@contextlib.asynccontextmanager
async def running(logs, deliver):
    task = asyncio.create_task(logs.run(deliver))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_bucket_that_is_not_logged_costs_nothing():
    logs = AccessLogs(SystemClock())
    logs.note(BucketRecord(name="b", bucket_id=b"b" * 16, owner="1" * 12, region="r", created_us=1), entry())
    assert logs.pending_bytes == 0


async def test_lines_are_delivered_in_time(delivered):
    logs = AccessLogs(SystemClock(), 0.05)
    async with running(logs, delivered):
        for number in range(3):
            logs.note(bucket(), entry(agent=f"agent-{number}"))
        await until(lambda: delivered.batches)
    (batch,) = delivered.batches
    assert [f"agent-{number}" in line for number, line in enumerate(batch.lines)] == [True] * 3
    assert (batch.bucket.name, batch.target.target_bucket, batch.begun_us) == ("logged", "logs", NOON_US)
    assert logs.pending_bytes == 0


async def test_each_bucket_and_configuration_has_its_own_object(delivered):
    logs = AccessLogs(SystemClock(), 0.05)
    logs.note(bucket("one"), entry())
    logs.note(bucket("two"), entry())
    logs.note(bucket("one", target_object_key_format=BY_DAY), entry())
    logs.note(bucket("one"), entry())
    await logs.flush(delivered)
    assert sorted((batch.bucket.name, len(batch.lines)) for batch in delivered.batches) == [("one", 1), ("one", 2), ("two", 1)]


@pytest.mark.parametrize(("form", "objects"), [(BY_DAY, 2), (None, 1)])
async def test_by_event_time_an_object_holds_one_day(delivered, form, objects):
    logs = AccessLogs(SystemClock())
    logged = bucket(target_object_key_format=form)
    for time_us in (NOON_US, NOON_US + DAY_US, NOON_US + 1):
        logs.note(logged, entry(time_us))
    await logs.flush(delivered)
    assert len(delivered.batches) == objects


async def test_a_full_batch_goes_at_once(delivered, monkeypatch):
    monkeypatch.setattr(access_logs, "BATCH_BYTES_MAX", 1000)
    logs = AccessLogs(SystemClock(), 3600)
    async with running(logs, delivered):
        while logs.pending_bytes < 1000:
            logs.note(bucket(), entry())
        await until(lambda: delivered.batches)
        assert logs.pending_bytes == 0


async def test_memory_is_bounded(delivered, monkeypatch):
    monkeypatch.setattr(access_logs, "PENDING_BYTES_MAX", 1000)
    logs = AccessLogs(SystemClock(), 3600)
    before = DROPPED.labels("memory")._value.get()
    for _ in range(100):
        logs.note(bucket(), entry())
    assert logs.pending_bytes <= 1000
    await logs.flush(delivered)
    assert len(delivered.lines) + DROPPED.labels("memory")._value.get() - before == 100
    logs.note(bucket(), entry())
    assert logs.pending_bytes > 0


@pytest.mark.parametrize("error", [S3Fault("NoSuchBucket"), S3Fault("AccessDenied"), NoSuchBucket("gone")])
async def test_lines_that_nobody_takes_are_dropped(delivered, error):
    logs = AccessLogs(SystemClock(), 0.02)
    before = DROPPED.labels("refused")._value.get()
    delivered.error = error
    async with running(logs, delivered):
        logs.note(bucket(), entry())
        await until(lambda: logs.pending_bytes == 0)
    assert delivered.attempts == 1
    assert DROPPED.labels("refused")._value.get() == before + 1


async def test_lines_wait_while_the_store_is_away(delivered):
    logs = AccessLogs(SystemClock(), 0.02)
    delivered.error = Unavailable("away")
    async with running(logs, delivered):
        logs.note(bucket(), entry(agent="first"))
        await until(lambda: delivered.attempts >= 2)
        delivered.error = None
        logs.note(bucket(), entry(agent="second"))
        await until(lambda: logs.pending_bytes == 0)
    assert len(delivered.lines) == 2


async def test_but_not_for_ever(delivered):
    logs = AccessLogs(SystemClock(), 0.01)
    delivered.error = Unavailable("away")
    async with running(logs, delivered):
        logs.note(bucket(), entry())
        await until(lambda: logs.pending_bytes == 0)
    assert delivered.attempts == ATTEMPTS_MAX


async def test_trouble_with_one_bucket_does_not_hold_up_another(delivered):
    logs = AccessLogs(SystemClock(), 3600)

    async def deliver(batch):
        if batch.bucket.name == "one":
            raise Unavailable("away")
        await delivered(batch)

    logs.note(bucket("one"), entry())
    logs.note(bucket("two"), entry())
    await logs.flush(deliver)
    assert [batch.bucket.name for batch in delivered.batches] == ["two"]
    await logs.flush(delivered)
    assert [batch.bucket.name for batch in delivered.batches] == ["two", "one"]


async def test_a_clean_stop_in_the_middle_of_a_delivery_loses_nothing(delivered):
    logs = AccessLogs(SystemClock(), 0.01)
    begun = asyncio.Event()

    async def hang(batch):
        begun.set()
        await asyncio.Event().wait()

    async with running(logs, hang):
        logs.note(bucket("one"), entry())
        logs.note(bucket("two"), entry())
        await begun.wait()
    await logs.flush(delivered)
    assert sorted(batch.bucket.name for batch in delivered.batches) == ["one", "two"]


async def test_a_clean_stop_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(access_logs, "STOP_SECONDS", 0.05)
    logs = AccessLogs(SystemClock())
    logs.note(bucket(), entry())

    async def hang(batch):
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await logs.flush(hang)


@pytest.mark.parametrize(("notes", "only"), [([True, True], True), ([True, False], False), ([False], False)])
async def test_a_batch_knows_whether_it_tells_of_deliveries_only(delivered, notes, only):
    logs = AccessLogs(SystemClock())
    for of_delivery in notes:
        logs.note(bucket(), entry(), of_delivery=of_delivery)
    await logs.flush(delivered)
    assert delivered.batches[0].of_deliveries is only


def test_target_of():
    assert target_of(bucket()).target_prefix == "p/"
    assert target_of(BucketRecord(name="b", bucket_id=b"b" * 16, owner="1" * 12, region="r", created_us=1)) is None


# -- further lines of one request --------------------------------------------------------------------------------------------

ALICE = Account("1" * 12, "a" * 64, "alice", "alice@example.com")


def a_call(logs, operation, principal):
    request = SimpleNamespace(
        client_address="192.0.2.7", request_id="RID", headers={"host": "h", "user-agent": "ua"}, method="POST",
        raw_path=b"/logged", raw_query=b"delete",
    )  # fmt: skip
    services = SimpleNamespace(access_log=logs, identities=SimpleNamespace(account=lambda _: ALICE), clock=SystemClock())
    return SimpleNamespace(
        services=services, request=request, principal=principal, operation=SimpleNamespace(name=operation), bucket=bucket()
    )


USER = Principal(account=ALICE, kind="user", arn="arn:aws:iam::111111111111:user/u", user_id="AIDA")


@pytest.mark.parametrize(
    ("principal", "told"), [(None, "-"), (root_principal(ALICE), "a" * 64), (USER, "arn:aws:iam::111111111111:user/u")]
)
async def test_deleted_keys(delivered, principal, told):
    logs = AccessLogs(SystemClock())
    note_deleted(a_call(logs, "DeleteObjects", principal), "a b", version_id="V", status=204)
    note_deleted(a_call(logs, "DeleteObjects", principal), "c", version_id=None, status=403, error_code="AccessDenied")
    await logs.flush(delivered)
    first, second = (line.replace(" +0000]", "]").split(" ") for line in delivered.lines)
    assert first[0] == "a" * 64
    assert [first[place] for place in (3, 4, 5, 6, 7, 8, 9, 10)] == [
        "192.0.2.7", told, "RID", "BATCH.DELETE.OBJECT", "a%20b", '"-"', "204", "-"
    ]  # fmt: skip
    assert first[17] == "V"
    assert [second[place] for place in (6, 7, 9, 10, 17)] == ["BATCH.DELETE.OBJECT", "c", "403", "AccessDenied", "-"]


@pytest.mark.parametrize(
    ("operation", "told"), [("CopyObject", "REST.COPY.OBJECT_GET"), ("UploadPartCopy", "REST.COPY.PART_GET")]
)
async def test_the_source_of_a_copy(delivered, operation, told):
    logs = AccessLogs(SystemClock())
    note_copied(a_call(logs, operation, USER), bucket("source"), b"k", version_id=None, size=5)
    note_copied(
        a_call(logs, operation, USER),
        BucketRecord(name="b", bucket_id=b"b" * 16, owner="1" * 12, region="r", created_us=1),
        b"k",
        version_id=None,
        size=5,
    )
    await logs.flush(delivered)
    (line,) = delivered.lines
    assert " source [" in line
    assert f" {told} k " in line
    assert " 200 - - 5 " in line
