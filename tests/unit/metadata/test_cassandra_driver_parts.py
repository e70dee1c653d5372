"""The parts of the driver that need no cluster: the breaker, places in flight, the queue of replies."""

import asyncio
import threading

import pytest

from dolmen.gateway.metadata.cassandra import gate as gates
from dolmen.gateway.metadata.cassandra.breaker import PROBE_SECONDS, TIMEOUTS_TO_OPEN, WINDOW_SECONDS, Breaker
from dolmen.gateway.metadata.cassandra.driver_prepare import qualified
from dolmen.gateway.metadata.cassandra.gate import Gate
from dolmen.gateway.metadata.cassandra.replies import ReplyQueue
from dolmen.gateway.metadata.store import MetadataUnavailable

# ---- the breaker -------------------------------------------------------------------------------------------------


def silent(breaker, now, times=TIMEOUTS_TO_OPEN):
    for _ in range(times):
        breaker.timed_out(now - 3.0, now)


def test_the_breaker_opens_after_time_outs_in_a_row():
    breaker = Breaker()
    silent(breaker, 5.0, TIMEOUTS_TO_OPEN - 1)
    assert not breaker.is_open
    assert breaker.allows(5.0)
    silent(breaker, 5.0, 1)
    assert breaker.is_open
    assert not breaker.allows(5.0)


def test_an_answer_in_between_begins_the_row_again():
    breaker = Breaker()
    silent(breaker, 5.0, TIMEOUTS_TO_OPEN - 1)
    breaker.answered(5.0)
    silent(breaker, 9.0, TIMEOUTS_TO_OPEN - 1)
    assert not breaker.is_open


def test_many_statements_that_hang_in_one_node_while_others_are_answered_are_no_silence():
    breaker = Breaker()
    breaker.answered(4.0)
    for _ in range(10 * TIMEOUTS_TO_OPEN):
        breaker.timed_out(4.0, 7.0)
    assert not breaker.is_open
    silent(breaker, 7.5)  # those that began after the last answer
    assert breaker.is_open


def test_time_outs_that_are_far_apart_are_no_row():
    breaker = Breaker()
    for number in range(10 * TIMEOUTS_TO_OPEN):
        silent(breaker, number * WINDOW_SECONDS / 4, 1)
    assert not breaker.is_open


def test_an_open_breaker_lets_one_statement_a_second_through():
    breaker = Breaker()
    silent(breaker, 100.0)
    let_through = [tenth for tenth in range(50) if breaker.allows(100.0 + tenth / 10)]
    assert let_through == [10, 20, 30, 40]
    silent(breaker, 106.0)  # probes that time out, too, change nothing about that
    assert breaker.is_open
    assert breaker.allows(107.0 + PROBE_SECONDS)


def test_the_first_answer_closes_the_breaker():
    breaker = Breaker()
    silent(breaker, 100.0)
    breaker.answered(100.5)
    assert not breaker.is_open
    assert all(breaker.allows(100.5) for _ in range(10))
    silent(breaker, 104.0, 1)
    assert not breaker.is_open


# ---- places in flight --------------------------------------------------------------------------------------------


async def test_places_are_given_in_order_and_never_more_than_the_limit():
    gate = Gate(limit=2)
    order = []

    async def work(number):
        await gate.enter()
        assert gate.in_flight <= 2
        order.append(number)
        await asyncio.sleep(0)
        gate.leave()

    await asyncio.gather(*(work(number) for number in range(20)))
    assert order == list(range(20))
    assert gate.in_flight == 0


async def test_beyond_those_that_may_wait_a_statement_is_refused_at_once():
    gate = Gate(limit=1, waiting_max=2)
    await gate.enter()
    waiting = [asyncio.create_task(gate.enter()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(MetadataUnavailable):
        await gate.enter()
    gate.leave()
    gate.leave()
    await asyncio.gather(*waiting)
    assert gate.in_flight == 1


async def test_who_waits_too_long_is_refused_and_gives_up_its_turn(monkeypatch):
    monkeypatch.setattr(gates, "WAIT_SECONDS_MAX", 0.01)
    gate = Gate(limit=1)
    await gate.enter()
    with pytest.raises(MetadataUnavailable):
        await gate.enter()
    gate.leave()
    assert gate.in_flight == 0
    await gate.enter()


async def test_a_place_is_not_lost_when_its_waiter_goes_away():
    gate = Gate(limit=1)
    await gate.enter()
    gone, got_it_and_gone, last = (asyncio.create_task(gate.enter()) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    gate.leave()  # hands the place to the second one ...
    got_it_and_gone.cancel()  # ... which goes away before it has heard of it
    await asyncio.wait_for(last, 1.0)
    assert gate.in_flight == 1
    gate.leave()
    assert gate.in_flight == 0


# ---- replies -----------------------------------------------------------------------------------------------------


async def test_many_replies_wake_the_loop_once():
    received = []
    queue = ReplyQueue(asyncio.get_running_loop(), received.append)

    def work():
        for number in range(1000):
            queue.put(number)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()  # the loop does not run meanwhile
    assert received == []
    await asyncio.sleep(0)
    assert received == list(range(1000))
    assert queue.wakeups == 1


async def test_no_reply_is_lost_between_threads():
    received = []
    queue = ReplyQueue(asyncio.get_running_loop(), received.append)

    def work(first):
        for number in range(first, first + 2000):
            queue.put(number)

    threads = [threading.Thread(target=work, args=(index * 2000,)) for index in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    assert sorted(received) == list(range(8000))
    assert queue.wakeups < 8000


def test_a_reply_after_the_end_of_the_loop_is_dropped():
    loop = asyncio.new_event_loop()
    queue = ReplyQueue(loop, lambda _: pytest.fail("nobody waits"))
    loop.close()
    queue.put(1)


# ---- the texts of statements -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT a, b FROM objects WHERE a = ? LIMIT 2", "SELECT a, b FROM k.objects WHERE a = ? LIMIT 2"),
        ("INSERT INTO listing (a) VALUES (?) IF NOT EXISTS", "INSERT INTO k.listing (a) VALUES (?) IF NOT EXISTS"),
        ("UPDATE objects SET a = ? WHERE b = ? IF a = ?", "UPDATE k.objects SET a = ? WHERE b = ? IF a = ?"),
        ("UPDATE objects USING TTL ? SET a = ?", "UPDATE k.objects USING TTL ? SET a = ?"),
        ("DELETE head_seq FROM objects WHERE a = ?", "DELETE head_seq FROM k.objects WHERE a = ?"),
        ("DELETE FROM\n objects USING TIMESTAMP ? WHERE a = ?", "DELETE FROM k.objects USING TIMESTAMP ? WHERE a = ?"),
        ("SELECT a FROM system.local", "SELECT a FROM system.local"),
    ],
)
def test_a_statement_names_the_keyspace_of_its_table(text, named):
    assert qualified(text, "k") == named
