"""Queues by time: order, postponing, finishing, late entries, the register of slices, and what an idle look costs."""

import asyncio
import os
import random

import pytest
from cassandra_parts import Between, Counting
from metadata_builders import SettableClock

from dolmen.gateway.metadata.cassandra import queues
from dolmen.gateway.metadata.cassandra.queues import OVER_US, RECHECK_SECONDS, SLICE_US, TimeQueue

FAR_US = 1 << 62
SECOND_US = 1_000_000


@pytest.fixture
def clock():
    return SettableClock()


def id_at(at_us):
    return at_us.to_bytes(8, "big") + os.urandom(8)


async def put(queue, at_us, body=b"", due_us=None):
    entry_id = id_at(at_us)
    await queue.add(entry_id, at_us if due_us is None else due_us, body, at_us)
    return entry_id


async def ids_of(queue, now_us=FAR_US, limit=1000):
    return [entry.id for entry in await queue.due(now_us, limit)]


async def test_entries_come_in_the_order_of_their_ids_when_they_are_due(cql, fresh, clock):
    queue = TimeQueue(cql, fresh, clock)
    now_us = clock.now_us()
    times = [now_us - 2 * SLICE_US, now_us - 5, now_us, now_us + 1000 * SECOND_US]
    made = [await put(queue, at_us, str(number).encode()) for number, at_us in enumerate(times)]
    assert await ids_of(queue, now_us) == made[:3]
    assert await ids_of(queue) == made
    assert await ids_of(queue, limit=2) == made[:2]
    assert [entry.body for entry in await queue.due(now_us, 2)] == [b"0", b"1"]
    assert await queue.count() == 4


async def test_postponed_entries_wait_and_finished_ones_are_forgotten(cql, fresh, clock):
    queue = TimeQueue(cql, fresh, clock)
    now_us = clock.now_us()
    made = [await put(queue, now_us - number, b"x") for number in (3, 2, 1)]
    await queue.postpone([made[0], id_at(now_us)], now_us + 60 * SECOND_US, lambda body: body + b"!")
    await queue.finish([made[1], id_at(now_us)])
    assert await ids_of(queue, now_us) == [made[2]]
    later = await queue.due(now_us + 60 * SECOND_US, 10)
    assert [(entry.id, entry.body) for entry in later] == [(made[0], b"x!"), (made[2], b"x")]
    assert await queue.count() == 2


async def test_what_was_finished_does_not_come_back_when_it_is_added_again(cql, fresh, clock):
    queue = TimeQueue(cql, fresh, clock)
    now_us = clock.now_us()
    entry_id = await put(queue, now_us)
    await queue.finish([entry_id])
    await queue.add(entry_id, now_us, b"", now_us)
    assert await ids_of(queue) == []


async def test_a_clock_that_was_set_back_hides_nothing(cql, fresh, clock):
    queue = TimeQueue(cql, fresh, clock)
    for _ in range(12):
        entry_id = await put(queue, clock.now_us())
        assert await ids_of(queue) == [entry_id]
        clock.added_seconds -= 5
        await queue.postpone([entry_id], clock.now_us(), lambda _: b"later")
        assert [entry.body for entry in await queue.due(FAR_US, 10)] == [b"later"]
        clock.added_seconds -= 5
        await queue.finish([entry_id])
        assert await ids_of(queue) == []


async def test_an_idle_queue_costs_one_statement(cql, fresh, clock):
    counting = Counting(cql)
    queue = TimeQueue(counting, fresh, clock)
    assert await ids_of(queue) == []
    assert counting.count == 1
    entry_id = await put(queue, clock.now_us())
    assert await ids_of(queue, clock.now_us()) == [entry_id]
    await queue.finish([entry_id])
    await queue.due(clock.now_us(), 10)
    counting.texts.clear()
    await queue.due(clock.now_us(), 10)
    assert counting.count == 2, "the slice of now is looked into"
    clock.added_seconds += SLICE_US // SECOND_US + 60
    await queue.due(clock.now_us(), 10)
    counting.texts.clear()
    await queue.due(clock.now_us(), 10)
    assert await queue.count() == 0
    assert counting.count == 2, "one each: the finished slice is not looked into again, though it is registered"


async def test_a_slice_that_is_over_leaves_the_register(cql, fresh, clock):
    counting = Counting(cql)
    queue = TimeQueue(counting, fresh, clock)
    done, stays = [await put(queue, clock.now_us()) for _ in range(2)]
    await queue.finish([done])
    clock.added_seconds += (SLICE_US + OVER_US) // SECOND_US + 1
    assert await ids_of(queue, clock.now_us()) == [stays]
    assert await ids_of(TimeQueue(cql, fresh, clock), clock.now_us()) == [stays], "a slice with entries stays"
    await queue.finish([stays])
    assert await ids_of(queue, clock.now_us()) == []
    other = TimeQueue(Counting(cql), fresh, clock)
    assert await ids_of(other) == []
    assert other._cql.count == 1, "no slice is registered any more"


class Stopping(Between):
    """Holds one kind of statement up until it is told to go on."""

    def __init__(self, inner, holds):
        super().__init__(inner)
        self.holds, self.reached, self.go = holds, asyncio.Event(), asyncio.Event()

    async def run(self, statement, *values):
        if self.holds(statement, values):
            self.reached.set()
            await self.go.wait()
        return await super().run(statement, *values)


def is_register(statement, values):
    return statement is queues._PUT and values[1] == queues.REGISTER


async def test_an_entry_that_comes_while_its_slice_is_unregistered_is_found(cql, fresh, clock):
    """The writer has put the entry; the reader, who read before that, unregisters; then the writer registers."""
    past_us = clock.now_us() - 2 * OVER_US
    first = TimeQueue(cql, fresh, clock)
    clock.added_seconds -= OVER_US * 2 // SECOND_US  # then the slice was registered
    await first.finish([await put(first, past_us)])
    clock.added_seconds = 0

    class ReadsThenWaits(Between):
        def __init__(self, inner):
            super().__init__(inner)
            self.reached, self.go = asyncio.Event(), asyncio.Event()

        async def run(self, statement, *values):
            if statement is queues._DELETE and values[2] == queues.REGISTER:
                self.reached.set()
                await self.go.wait()
            return await super().run(statement, *values)

    slow_reader, slow_writer = ReadsThenWaits(cql), Stopping(cql, is_register)
    reader = TimeQueue(slow_reader, fresh, clock)
    reading = asyncio.create_task(reader.due(clock.now_us(), 10))
    await slow_reader.reached.wait()
    late = id_at(past_us + 1)
    writing = asyncio.create_task(TimeQueue(slow_writer, fresh, clock).add(late, past_us, b"", past_us))
    await slow_writer.reached.wait()
    slow_reader.go.set()
    assert await reading == []
    slow_writer.go.set()
    await writing
    assert await ids_of(reader, clock.now_us()) == [late]
    assert await ids_of(TimeQueue(cql, fresh, clock), clock.now_us()) == [late]


async def test_a_registration_survives_an_unregistration_that_comes_after_it(cql, fresh, clock):
    past_us = clock.now_us() - 2 * OVER_US
    clock.added_seconds -= OVER_US * 2 // SECOND_US
    first = TimeQueue(cql, fresh, clock)
    await first.finish([await put(first, past_us)])
    clock.added_seconds = 0

    def is_unregister(statement, values):
        return statement is queues._DELETE and values[2] == queues.REGISTER

    slow = Stopping(cql, is_unregister)
    reader = TimeQueue(slow, fresh, clock)
    reading = asyncio.create_task(reader.due(clock.now_us(), 10))
    await slow.reached.wait()
    late = id_at(past_us + 1)
    await TimeQueue(cql, fresh, clock).add(late, past_us, b"", past_us)
    slow.go.set()
    await reading
    assert await ids_of(TimeQueue(cql, fresh, clock), clock.now_us()) == [late]


async def test_what_comes_late_is_found_behind_what_was_read(cql, fresh, clock):
    reader, writer = TimeQueue(cql, fresh, clock), TimeQueue(cql, fresh, clock)
    await put(writer, clock.now_us())
    clock.added_seconds += 100
    assert len(await ids_of(reader, clock.now_us())) == 1
    late = await put(writer, clock.now_us() - 90 * SECOND_US)
    assert late in await ids_of(reader, clock.now_us())


async def test_a_recheck_finds_what_nobody_registered_anew(cql, fresh, clock):
    """As after a writer that died between its entry and the register: whoever adds it again is not waited for."""
    reader, writer = TimeQueue(cql, fresh, clock), TimeQueue(cql, fresh, clock)
    await put(writer, clock.now_us())
    clock.added_seconds += 700
    known = await ids_of(reader, clock.now_us())

    class Dying(Between):
        async def run(self, statement, *values):
            if is_register(statement, values):
                raise asyncio.CancelledError
            return await super().run(statement, *values)

    silent = id_at(clock.now_us() - 650 * SECOND_US)
    with pytest.raises(asyncio.CancelledError):
        await TimeQueue(Dying(cql), fresh, clock).add(silent, 0, b"", 1)
    assert await ids_of(reader, clock.now_us()) == known
    clock.added_seconds += int(RECHECK_SECONDS) + 1
    assert set(await ids_of(reader, clock.now_us())) == {silent, *known}


async def test_many_entries_of_one_instant_are_all_read(cql, fresh, clock, monkeypatch):
    monkeypatch.setattr(queues, "PAGE_ROWS", 10)
    queue = TimeQueue(cql, fresh, clock)
    now_us = clock.now_us()
    made = sorted(await asyncio.gather(*(put(queue, now_us) for _ in range(50)), *(put(queue, now_us - n) for n in range(50))))
    assert await ids_of(queue) == made
    clock.added_seconds += 120
    for _ in range(2):
        assert await ids_of(queue, limit=37) == made[:37]
    await queue.finish(made[:60])
    assert await ids_of(queue) == made[60:]
    assert await queue.count() == 40


async def test_two_processes_and_a_model_agree(cql, fresh, clock, monkeypatch):
    monkeypatch.setattr(queues, "PAGE_ROWS", 7)
    monkeypatch.setattr(queues, "EXACT_ROWS", 3)
    seed = int(os.environ.get("DOLMEN_SEED", "0")) or random.randrange(1, 1 << 32)
    print(f"DOLMEN_SEED={seed}")
    draw = random.Random(seed)
    stores = [TimeQueue(cql, fresh, clock) for _ in range(2)]
    model = {}
    for _ in range(120):
        queue = draw.choice(stores)
        act = draw.randrange(6)
        now_us = clock.now_us()
        some = draw.sample(sorted(model), min(len(model), draw.randrange(5)))
        if act <= 1:
            at_us = now_us + draw.choice([0, -20, -700, -8000, 300]) * SECOND_US
            body = os.urandom(4)
            model[await put(queue, at_us, body)] = (at_us, body)
        elif act == 2:
            await queue.finish(some)
            for entry_id in some:
                del model[entry_id]
        elif act == 3:
            due_us = now_us + draw.randrange(2000) * SECOND_US
            await queue.postpone(some, due_us, lambda body: body + b"+")
            for entry_id in some:
                never_before_us = int.from_bytes(entry_id[:8], "big")
                model[entry_id] = (max(due_us, never_before_us), model[entry_id][1] + b"+")
        elif act == 4:
            clock.added_seconds += draw.choice([-3, 1, 45, 650, 5000])
        else:
            assert await queue.count() == len(model)
        now_us, limit = clock.now_us(), draw.choice([3, 1000])
        expected = [(e, *model[e]) for e in sorted(model) if model[e][0] <= now_us][:limit]
        assert [tuple(entry) for entry in await queue.due(now_us, limit)] == expected


async def test_a_late_entry_is_found_though_another_clock_was_before_its_writers(cql, fresh, clock):
    ahead, behind = SettableClock(), SettableClock()
    ahead.added_seconds = 1
    reader = TimeQueue(cql, fresh, clock)
    first = await put(TimeQueue(cql, fresh, ahead), clock.now_us() - 700 * SECOND_US)
    assert await ids_of(reader, clock.now_us()) == [first]
    second = await put(TimeQueue(cql, fresh, behind), clock.now_us() - 700 * SECOND_US)
    assert await ids_of(reader, clock.now_us()) == [first, second]
