"""Events on their way to their targets: at least once, key by key in order, no target in the way of another."""

import asyncio
import contextlib
import json
import random
from collections import defaultdict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.core.clock import SystemClock
from dolmen.core.errors import Unavailable
from dolmen.gateway.delivery import lane as lanes
from dolmen.gateway.delivery import worker
from dolmen.gateway.delivery.queue import TargetQueue, enqueue_trial, known_targets
from dolmen.gateway.delivery.targets import Target
from dolmen.gateway.delivery.template import CONFIG, template_of
from dolmen.gateway.delivery.worker import Notifier
from dolmen.gateway.metadata.memory import MemoryStore
from dolmen.gateway.metadata.records import NO_CONDITION, Attributes, BucketRecord, DocumentChange, NewVersion, ObjectLayout
from dolmen.gateway.metadata.store import MetadataUnavailable
from dolmen.gateway.s3.model.inputs_generated import (
    EventBridgeConfiguration,
    FilterRule,
    NotificationConfiguration,
    NotificationConfigurationFilter,
    QueueConfiguration,
    S3KeyFilter,
)

PATIENCE_SECONDS = 20.0


class ShiftedClock(SystemClock):
    """The wall clock may be set forward."""

    shift_us = 0

    def now_us(self):
        return super().now_us() + self.shift_us


class Receivers:
    """Webhooks in memory: what each got, and how each answers (a status, an exception, or a coroutine function)."""

    def __init__(self):
        self.got = defaultdict(list)
        self.answers = {}
        self.running = defaultdict(int)
        self.most_running = defaultdict(int)

    async def post(self, target, body):
        name = target.name
        self.running[name] += 1
        self.most_running[name] = max(self.most_running[name], self.running[name])
        try:
            await asyncio.sleep(0)
            answer = self.answers.get(name, 200)
            if callable(answer):
                answer = await answer(json.loads(body))
            if isinstance(answer, Exception):
                raise answer
            if answer == 200:
                self.got[name].append(json.loads(body))
            return answer
        finally:
            self.running[name] -= 1

    def keys(self, name):
        return [body["Key"].partition("/")[2] for body in self.got[name]]


def rule(target, prefix):
    filters = NotificationConfigurationFilter(key=S3KeyFilter(filter_rules=[FilterRule(name="Prefix", value=prefix)]))
    return QueueConfiguration(id=target, queue_arn=f"arn:aws:sqs:r:1:{target}", events=["s3:ObjectCreated:*"], filter=filters)


class World:
    """A store in memory, a bucket whose keys ``a/*`` go to target a and ``b/*`` to b, and a notifier."""

    def __init__(self):
        self.clock = ShiftedClock()
        self.store = MemoryStore(self.clock)
        self.receivers = Receivers()
        self.targets = {name: Target(name, f"http://{name}/") for name in ("a", "b")}
        configuration = NotificationConfiguration(queue_configurations=[rule("a", "a/"), rule("b", "b/")])
        self.bucket = BucketRecord(
            name="bucket", bucket_id=b"i" * 16, owner="1" * 12, region="r", created_us=1,
            config={CONFIG: msgspec.msgpack.encode(configuration)},
        )  # fmt: skip
        self.task = None

    async def put(self, key, count=1):
        for _ in range(count):
            intent = await self.store.begin(self.bucket, key.encode())
            version = NewVersion(size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout())
            await self.store.commit(intent, version, NO_CONDITION, (), self.template(key))

    def template(self, key, name="ObjectCreated:Put", declared=("a", "b", "eventbridge")):
        return template_of(
            self.bucket, name, key.encode(), declared=declared, principal="p", source_ip="", request_id="", host_id=""
        )

    def start(self, store=None):
        self.task = asyncio.create_task(Notifier(store or self.store, self.clock, self.targets, self.receivers.post).run())

    async def stop(self):
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def until(self, condition):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (await condition() if asyncio.iscoroutinefunction(condition) else condition()):
                assert self.task is None or not self.task.done(), self.task
                await asyncio.sleep(0.005)

    async def settled(self):
        """Nothing waits anywhere."""
        return await self.store.event_count() == 0 and not await self.queued("a") and not await self.queued("b")

    async def queued(self, target):
        return (await TargetQueue(self.store, target).read("", 10_000, 0.0))[0]


@pytest.fixture
async def world(monkeypatch):
    monkeypatch.setattr(lanes, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(lanes, "RETRY_SECONDS_MAX", 0.2)
    monkeypatch.setattr(lanes, "SETTLE_SECONDS", 0.1)
    monkeypatch.setattr(lanes, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(lanes, "REMOVE_SECONDS", 0.01)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(worker, "TRIALS_SECONDS", 0.02)
    made = World()
    await made.store.create_bucket(made.bucket)
    yield made
    await made.stop()


def sequences(bodies):
    """By key the sequencers in the order of arrival."""
    found = defaultdict(list)
    for body in bodies:
        told = body["Records"][0]["s3"]["object"]
        found[told["key"]].append(told["sequencer"])
    return found


def assert_in_order(bodies):
    for key, order in sequences(bodies).items():
        assert order == sorted(order), key


async def test_an_event_is_delivered_once_and_forgotten(world):
    await world.put("a/1")
    world.start()
    await world.until(world.settled)
    (body,) = world.receivers.got["a"]
    assert body["EventName"] == "s3:ObjectCreated:Put"
    assert body["Records"][0]["s3"]["configurationId"] == "a"
    assert not world.receivers.got["b"]


async def test_events_that_come_later(world):
    world.start()
    for number in range(20):
        await world.put(f"a/{number}")
        await asyncio.sleep(0.003)
    await world.until(world.settled)
    assert sorted(world.receivers.keys("a")) == sorted(f"a/{number}" for number in range(20))


@pytest.mark.parametrize("answer", [Unavailable("away"), 500, 404, 429, 503, 302])
async def test_what_is_refused_at_first_comes_later(world, answer):
    world.receivers.answers["a"] = answer
    await world.put("a/1", 3)
    world.start()
    await world.until(lambda: lanes.FAILED.labels("a")._value.get() > 0)
    await asyncio.sleep(0.05)
    assert not world.receivers.got["a"]
    world.receivers.answers["a"] = 200
    await world.until(world.settled)
    assert world.receivers.keys("a") == ["a/1"] * 3
    assert_in_order(world.receivers.got["a"])


async def test_a_slow_event_moves_to_the_queue_of_its_target(world):
    world.receivers.answers["a"] = Unavailable("away")
    await world.put("a/1")
    world.start()

    async def moved():
        return await world.store.event_count() == 0 and len(await world.queued("a")) == 1

    await world.until(moved)
    assert await known_targets(world.store) == ["a"]
    assert not world.receivers.got["a"]


async def test_a_key_s_events_come_in_order_whatever_fails(world):
    dice = random.Random(4)

    async def sometimes(body):
        await asyncio.sleep(dice.random() * 0.003)
        return dice.choice([200, 200, 500, Unavailable("lost"), 404])

    world.receivers.answers["a"] = sometimes
    world.start()
    for _ in range(100):
        await world.put(f"a/{dice.randrange(6)}")
        await asyncio.sleep(0.001)
    await world.until(world.settled)
    assert len(world.receivers.got["a"]) == 100
    assert_in_order(world.receivers.got["a"])


async def test_one_key_that_is_refused_does_not_hold_up_the_others(world):
    async def but_for_one(body):
        return 400 if body["Key"].endswith("/poison") else 200

    world.receivers.answers["a"] = but_for_one
    await world.put("a/poison", 2)
    world.start()
    for number in range(30):
        await world.put(f"a/{number}")
    await world.until(lambda: len(world.receivers.got["a"]) == 30)
    assert len(await world.queued("a")) + await world.store.event_count() >= 2
    world.receivers.answers["a"] = 200
    await world.until(world.settled)
    assert world.receivers.keys("a").count("a/poison") == 2


async def test_a_target_that_hangs_does_not_hold_up_another(world):
    """Far more events of the one than a window holds lie before the one event of the other."""
    released = asyncio.Event()

    async def hang(body):
        await released.wait()
        return 200

    world.receivers.answers["a"] = hang
    await world.put("a/1", lanes.WINDOW_MAX + worker.EVENTS_MAX + 50)
    await world.put("b/1")
    world.start()
    await world.until(lambda: world.receivers.keys("b") == ["b/1"])
    assert not world.receivers.got["a"]
    released.set()
    await world.until(world.settled)
    assert_in_order(world.receivers.got["a"])


async def test_a_long_absence(world):
    """Nothing stays in the events, everything comes afterwards, in order."""
    world.receivers.answers["a"] = Unavailable("away")
    count = 3 * lanes.WINDOW_MAX
    world.start()
    for number in range(count):
        await world.put(f"a/{number % 50}")

    async def moved():
        return await world.store.event_count() == 0

    await world.until(moved)
    assert len(await world.queued("a")) == count
    world.receivers.answers["a"] = 200
    await world.until(world.settled)
    assert len(world.receivers.got["a"]) == count
    assert_in_order(world.receivers.got["a"])


async def test_restarts_lose_nothing(world):
    dice = random.Random(7)

    async def sometimes(body):
        await asyncio.sleep(0.001)
        return dice.choice([200, 500, Unavailable("lost")])

    world.receivers.answers["a"] = world.receivers.answers["b"] = sometimes
    written = set()
    for number in range(8):
        world.start()
        for _ in range(30):
            key = f"{dice.choice('ab')}/{dice.randrange(10)}"
            written.add((key, await _put_sequence(world, key)))
        await asyncio.sleep(dice.random() * 0.15)
        if number % 2:
            await world.stop()
        else:  # died without a word, and another goes on
            world.task.cancel()
    world.receivers.answers.clear()
    world.start()
    await world.until(world.settled)
    told = {
        (body["Records"][0]["s3"]["object"]["key"], body["Records"][0]["s3"]["object"]["sequencer"])
        for name in "ab"
        for body in world.receivers.got[name]
    }
    assert told == written


async def _put_sequence(world, key):
    """Put it; returns the sequencer that its event must tell."""
    await world.put(key)
    record = await world.store.get_version(world.bucket.bucket_id, key.encode())
    return f"{record.seq << 4:018X}"


async def test_the_first_message_asks_while_a_target_is_away(world):
    world.receivers.answers["a"] = Unavailable("away")
    for number in range(20):
        await world.put(f"a/{number}")
    world.start()
    await world.until(lambda: world.receivers.most_running["a"] > 0)
    await asyncio.sleep(0.1)
    world.receivers.most_running["a"] = 0
    await asyncio.sleep(0.4)
    assert world.receivers.most_running["a"] == 1


async def test_attempts_that_fail_together_count_as_one(world, monkeypatch):
    """Eight that hang and fail at once: the next attempt follows after the first pause, not after the eighth."""
    monkeypatch.setattr(lanes, "RETRY_SECONDS_MAX", 300.0)
    monkeypatch.setattr(lanes, "FIRST_RETRY_SECONDS", 0.2)
    times = []

    async def hang(body):
        times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.1)
        return Unavailable("late")

    world.receivers.answers["a"] = hang
    for number in range(20):
        await world.put(f"a/{number}")
    world.start()
    await world.until(lambda: len(times) > lanes.CONCURRENCY)
    assert times[lanes.CONCURRENCY] - times[0] < 0.1 + 0.2 + 0.2


async def test_the_probe_does_not_pay_for_the_absence(world, monkeypatch):
    """After a long absence the message that asked for all the others is no later than they."""
    monkeypatch.setattr(lanes, "RETRY_SECONDS_MAX", 0.1)
    world.receivers.answers["a"] = Unavailable("away")
    await world.put("a/1")
    world.start()
    await world.until(lambda: lanes.FAILED.labels("a")._value.get() > 0)
    await asyncio.sleep(0.5)
    monkeypatch.setattr(lanes, "RETRY_SECONDS_MAX", 300.0)
    world.receivers.answers["a"] = 200
    began = asyncio.get_running_loop().time()
    await world.until(world.settled)
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_a_message_that_kills_the_receiver_lets_the_others_pass(world):
    async def dies_of_one(body):
        return Unavailable("reset") if body["Key"].endswith("/deadly") else 200

    world.receivers.answers["a"] = dies_of_one
    await world.put("a/deadly")
    world.start()
    for number in range(20):
        await world.put(f"a/{number}")
    await world.until(lambda: len(world.receivers.got["a"]) == 20)


async def test_requests_to_a_target_are_bounded(world):
    async def slowly(body):
        await asyncio.sleep(0.005)
        return 200

    world.receivers.answers["a"] = slowly
    for number in range(100):
        await world.put(f"a/{number}")
    world.start()
    await world.until(world.settled)
    assert world.receivers.most_running["a"] == lanes.CONCURRENCY


async def test_too_old_is_given_up_counted_and_not_in_the_way(world):
    before = lanes.DROPPED.labels("a")._value.get()
    world.receivers.answers["a"] = 500
    await world.put("a/1", 2)
    world.start()
    await world.until(lambda: lanes.FAILED.labels("a")._value.get() > 0)
    assert lanes.DROPPED.labels("a")._value.get() == before
    world.clock.shift_us = (lanes.KEEP_DAYS * 86_400 + 1) * 1_000_000
    await world.until(world.settled)
    assert lanes.DROPPED.labels("a")._value.get() == before + 2
    assert not world.receivers.got["a"]


async def test_a_target_that_is_declared_no_more_keeps_its_messages(world):
    gone = world.targets.pop("a")
    await world.put("a/1", 3)
    await world.put("b/1")
    world.start()
    await world.until(lambda: world.receivers.keys("b") == ["b/1"])

    async def moved():
        return await world.store.event_count() == 0

    await world.until(moved)
    await world.stop()
    assert len(await world.queued("a")) == 3
    world.targets["a"] = gone
    world.start()
    await world.until(world.settled)
    assert world.receivers.keys("a") == ["a/1"] * 3


async def test_messages_of_nobody_are_given_up_in_the_end(world, monkeypatch):
    monkeypatch.setattr(lanes, "EXPIRE_SECONDS", 0.05)
    world.targets.pop("a")
    await world.put("a/1", 3)
    world.start()

    async def moved():
        return len(await world.queued("a")) == 3

    await world.until(moved)
    world.clock.shift_us = (lanes.KEEP_DAYS * 86_400 + 1) * 1_000_000
    await world.until(world.settled)


async def test_test_messages(world):
    world.start()
    body = json.dumps({"Event": "s3:TestEvent"}).encode()
    for _ in range(3):
        await enqueue_trial(world.store, "b", body, world.clock.now_us())
    await world.until(lambda: len(world.receivers.got["b"]) == 3)
    await asyncio.sleep(0.1)
    assert len(world.receivers.got["b"]) == 3
    assert await TargetQueue(world.store, "b").read_trials(0.0) == []


async def test_an_event_that_cannot_be_read_waits_and_the_others_go(world):
    intent = await world.store.begin(world.bucket, b"a/0")
    version = NewVersion(size=1, etag="e", owner="1" * 12, attributes=Attributes(), layout=ObjectLayout())
    await world.store.commit(intent, version, NO_CONDITION, (), b"\xc1 of another release")
    await world.put("a/1")
    world.start()
    await world.until(lambda: world.receivers.keys("a") == ["a/1"])

    async def forgotten():
        return await world.store.event_count() == 1

    await world.until(forgotten)
    (kept,) = await world.store.due_events(world.clock.now_us() + 86_400 * 1_000_000, 10)
    assert kept.due_us > world.clock.now_us()


async def test_a_message_that_cannot_be_read_stays_and_the_others_go(world):
    space, broken = "notifications/a", DocumentChange(kind="message", name="0" * 32, raw=b"\xc1")
    await world.store.write_documents(space, [broken])
    world.receivers.answers["a"] = Unavailable("away")
    for number in range(lanes.WINDOW_MAX + 20):
        await world.put(f"a/{number}")
    world.start()

    async def moved():
        return await world.store.event_count() == 0

    await world.until(moved)
    await world.stop()
    world.receivers.answers["a"] = 200
    world.start()
    await world.until(world.settled)
    assert len(world.receivers.got["a"]) == lanes.WINDOW_MAX + 20
    assert len(await world.store.list_documents(space, "message", "", "", 10)) == 1


async def test_both_listeners_of_an_event(world):
    configuration = NotificationConfiguration(
        queue_configurations=[rule("a", "a/")], event_bridge_configuration=EventBridgeConfiguration()
    )
    world.bucket = msgspec.structs.replace(world.bucket, config={CONFIG: msgspec.msgpack.encode(configuration)})
    world.targets["eventbridge"] = Target("eventbridge", "http://bridge/")
    world.receivers.answers["eventbridge"] = Unavailable("away")
    await world.put("a/1")
    await world.put("b/1")
    world.start()
    await world.until(lambda: world.receivers.keys("a") == ["a/1"])
    world.receivers.answers.clear()
    await world.until(lambda: len(world.receivers.got["eventbridge"]) == 2)
    assert {body["detail"]["object"]["key"] for body in world.receivers.got["eventbridge"]} == {"a/1", "b/1"}
    assert world.receivers.keys("a") == ["a/1"]


class FlakyStore:
    """Every call of the queues fails now and then, half of the time after it has had its effect."""

    def __init__(self, store, dice):
        self._store = store
        self._dice = dice

    def __getattr__(self, name):
        method = getattr(self._store, name)

        async def call(*arguments):
            fate = self._dice.random()
            if fate < 0.15:
                raise MetadataUnavailable("before")
            found = await method(*arguments)
            if fate > 0.85:
                raise MetadataUnavailable("after")
            return found

        return call


@pytest.mark.parametrize("seed", range(3))
async def test_a_store_that_fails_now_and_then(world, seed):
    dice = random.Random(seed)

    async def sometimes(body):
        await asyncio.sleep(0.001)
        return dice.choice([200, 200, 500, Unavailable("lost")])

    world.receivers.answers["a"] = sometimes
    world.start(FlakyStore(world.store, dice))
    for number in range(300):
        await world.put(f"a/{number % 40}")
    await world.until(world.settled)
    told = {(key, one) for key, order in sequences(world.receivers.got["a"]).items() for one in order}
    assert len(told) == 300


async def test_what_is_measured(world):
    world.receivers.answers["a"] = Unavailable("away")
    await world.put("a/1", 5)
    world.start()
    await world.until(lambda: lanes.QUEUED.labels("a")._value.get() == 5)
    await world.until(lambda: lanes.OLDEST.labels("a")._value.get() > 0)
    delivered = lanes.DELIVERED.labels("a")._value.get()
    world.receivers.answers["a"] = 200
    await world.until(world.settled)
    await world.until(lambda: lanes.QUEUED.labels("a")._value.get() == 0)
    await world.until(lambda: lanes.OLDEST.labels("a")._value.get() == 0)
    assert lanes.DELIVERED.labels("a")._value.get() == delivered + 5


@given(st.integers(1, 10_000))
def test_back_off(attempts):
    seconds = lanes.backoff_seconds(attempts)
    longest = min(lanes.FIRST_RETRY_SECONDS * 2 ** min(attempts - 1, 30), lanes.RETRY_SECONDS_MAX)
    assert longest / 2 <= seconds <= longest <= 300
