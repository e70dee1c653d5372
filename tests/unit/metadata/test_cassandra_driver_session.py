"""The session over a driver of the test's own: what reaches the caller, and what a place in flight is held for."""

import asyncio
import threading
from types import SimpleNamespace

import cassandra
import pytest
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException

from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.breaker import TIMEOUTS_TO_OPEN
from dolmen.gateway.metadata.cassandra.cql import BATCH_STATEMENTS_MAX, Bound, CasReply, Kind, Statement
from dolmen.gateway.metadata.cassandra.driver import SILENT, CassandraSession
from dolmen.gateway.metadata.cassandra.driver_errors import StatementRefused
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown

READ = Statement("SELECT a FROM t WHERE b = ?", Kind.READ)
WRITE = Statement("INSERT INTO t (b) VALUES (?)", Kind.WRITE)
CAS = Statement("UPDATE t SET a = 1 WHERE b = ? IF a = 0", Kind.CAS)
GLOBAL_CAS = Statement("UPDATE t SET a = 2 WHERE b = ? IF a = 0", Kind.GLOBAL_CAS)


class Response:
    """One statement at the driver; the test answers it."""

    def __init__(self, query, profile, paging_state):
        self.query, self.profile, self.asked_page = query, profile, paging_state
        self.attempted_hosts = ["a"]
        self.coordinator_host = "a"
        self._paging_state = None

    def add_callbacks(self, callback, errback):
        self.callback, self.errback = callback, errback

    def answer(self, result, more=None):
        self._paging_state = more
        self._from_a_thread(self.callback, result)

    def fail(self, error):
        self._from_a_thread(self.errback, error)

    def _from_a_thread(self, function, value):
        thread = threading.Thread(target=function, args=(value,))
        thread.start()
        thread.join()


class Link:
    """In place of the connected driver: keeps what is sent."""

    is_open = True
    why = "closed by the test"

    def __init__(self):
        self.sent = []
        self.profiles = {kind: kind for kind in Kind} | {"ask": "ask", "schema": "schema"}
        self.overtaken_by, self.silences = [], 0
        self.session = SimpleNamespace(execute_async=self.execute_async)

    def execute_async(self, query, execution_profile, paging_state=None, host=None):
        response = Response(query, execution_profile, paging_state)
        if execution_profile == "ask":  # the preflight
            raise cassandra.InvalidRequest("not in this test")
        self.sent.append(response)
        return response

    def nodes(self):
        return []

    async def close(self):
        self.is_open = False

    def overtaken(self, response):
        self.overtaken_by.append(response)

    def silent(self, response):
        self.silences += 1


class Prepared:
    column_metadata = ("b",)

    def bind(self, values):
        if values == ("bad",):
            raise TypeError("no bytes")
        return SimpleNamespace(values=values)


@pytest.fixture
def link():
    return Link()


@pytest.fixture
async def session(link):
    made = CassandraSession(parse_address("cassandra://nowhere/k"), link=link, on_statement=lambda: made.counted.append(1))
    made.counted = []
    for statement in (READ, WRITE, CAS, GLOBAL_CAS):
        made._preparer._prepared[statement.text] = Prepared()
    await made.connect()
    made.counted.clear()
    yield made
    await made.close()


async def begin(coroutine):
    """Let it run until it waits."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def test_all_pages_of_a_read_are_fetched_and_each_is_counted(session, link):
    task = await begin(session.run(READ, 1))
    link.sent[0].answer([(1,), (2,)], more=b"next")
    await asyncio.sleep(0.01)
    assert link.sent[1].asked_page == b"next"
    link.sent[1].answer([(3,)])
    assert await task == [(1,), (2,), (3,)]
    assert len(session.counted) == 2


async def test_a_twin_that_answers_later_changes_nothing(session, link):
    task = await begin(session.run(READ, 1))
    link.sent[0].attempted_hosts = ["a", "b"]
    link.sent[0].coordinator_host = "b"
    link.sent[0].answer([(1,)])
    link.sent[0].answer([(1,)], more=b"not asked for")
    link.sent[0].fail(cassandra.OperationTimedOut())
    assert await task == [(1,)]
    assert len(link.sent) == 1
    assert session._gate.in_flight == 0
    assert link.overtaken_by == [link.sent[0]]


async def test_a_write_answers_nothing(session, link):
    task = await begin(session.run(WRITE, 1))
    link.sent[0].answer(None)
    assert await task == []


async def test_an_answer_of_a_conditional_change_is_told_with_the_names_of_its_columns(session, link):
    task = await begin(session.cas([Bound(CAS, (1,))]))
    link.sent[0].answer((("[applied]",), [(True,)]))
    assert await task == CasReply(True, (), ())
    task = await begin(session.cas([Bound(CAS, (1,))]))
    link.sent[1].answer((("[applied]", "b", "a"), [(False, 1, 7), (False, 2, 7)]))
    assert await task == CasReply(False, ("b", "a"), ((1, 7), (2, 7)))
    task = await begin(session.cas([Bound(CAS, (1,))]))
    link.sent[2].answer((("[applied]",), [(False,)]))
    assert await task == CasReply(False, (), ())
    assert [response.profile for response in link.sent] == [Kind.CAS] * 3


async def test_statements_are_refused_where_they_do_not_belong(session, link):
    for wrong in (
        session.run(CAS, 1),
        session.cas([Bound(WRITE, (1,))]),
        session.cas([Bound(CAS, (1,)), Bound(GLOBAL_CAS, (1,))]),
        session.batch([Bound(WRITE, (1,)), Bound(CAS, (1,))]),
        session.batch([Bound(WRITE, (1,))] * (BATCH_STATEMENTS_MAX + 1)),
        session.run(READ),
        session.run(READ, 1, 2),
        session.run(READ, "bad"),
    ):
        with pytest.raises(StatementRefused):
            await wrong
    await session.batch([])
    assert link.sent == []


async def test_an_error_is_translated_and_keeps_its_cause(session, link):
    task = await begin(session.cas([Bound(CAS, (1,))]))
    error = cassandra.OperationTimedOut()
    link.sent[0].fail(error)
    with pytest.raises(MetadataUnknown) as told:
        await task
    assert told.value.__cause__ is error
    assert link.silences == 1


async def test_only_what_no_node_was_tried_with_certainly_did_not_happen(session, link):
    nobody = NoHostAvailable("none", {"a": ConnectionException("down")})
    task = await begin(session.cas([Bound(CAS, (1,))]))
    link.sent[0].attempted_hosts = []
    link.sent[0].fail(nobody)
    with pytest.raises(MetadataUnavailable):
        await task
    task = await begin(session.cas([Bound(CAS, (1,))]))
    link.sent[1].fail(nobody)
    with pytest.raises(MetadataUnknown):
        await task


async def test_a_caller_that_goes_away_does_not_free_the_place_of_what_is_still_in_flight(session, link):
    task = await begin(session.run(READ, 1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session._gate.in_flight == 1
    link.sent[0].answer([])
    await asyncio.sleep(0.01)
    assert session._gate.in_flight == 0


async def test_a_driver_that_cannot_even_begin_leaves_no_place_taken(session, link):
    def broken(*_, **__):
        raise RuntimeError("cannot schedule new futures after shutdown")

    link.session.execute_async = broken
    with pytest.raises(MetadataUnknown):
        await session.cas([Bound(CAS, (1,))])
    assert session._gate.in_flight == 0


async def time_out(session, link):
    tasks = [await begin(session.cas([Bound(CAS, (1,))])) for _ in range(TIMEOUTS_TO_OPEN)]
    for response in link.sent[-TIMEOUTS_TO_OPEN:]:
        response.fail(cassandra.WriteTimeout("late", write_type=cassandra.WriteType.CAS))
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_cluster_that_is_silent_is_not_asked_any_more_and_what_was_sent_stays_unknown(session, link):
    assert {type(error) for error in await time_out(session, link)} == {MetadataUnknown}
    asked = len(link.sent)
    for refused in (session.cas([Bound(CAS, (1,))]), session.run(READ, 1), session.run(Statement("SELECT x FROM t", Kind.READ))):
        with pytest.raises(MetadataUnavailable, match=SILENT):
            await refused
    assert len(link.sent) == asked
    assert session.ready() == [SILENT]


async def test_a_sent_change_that_times_out_while_the_breaker_is_open_is_still_unknown(session, link):
    late = await begin(session.cas([Bound(CAS, (1,))]))
    response = link.sent[-1]
    await time_out(session, link)
    assert session.ready() == [SILENT]
    response.fail(cassandra.OperationTimedOut())
    with pytest.raises(MetadataUnknown):
        await late


async def test_one_answer_closes_the_breaker(session, link):
    late = await begin(session.run(READ, 1))
    response = link.sent[-1]
    await time_out(session, link)
    response.answer([(1,)])
    assert await late == [(1,)]
    assert session.ready() != [SILENT]


async def test_without_a_connection_every_call_says_why_at_once():
    closed = CassandraSession(parse_address("cassandra://127.0.0.1:1/k"))
    await closed.connect()
    try:
        assert "127.0.0.1:1" in closed.ready()[0]
        for call in (closed.run(READ, 1), closed.cas([Bound(CAS, (1,))]), closed.batch([Bound(WRITE, (1,))])):
            with pytest.raises(MetadataUnavailable, match=r"127\.0\.0\.1:1"):
                await call
        assert closed.nodes() == []
    finally:
        await closed.close()


async def test_who_waits_for_a_place_while_the_cluster_falls_silent_is_refused(session, link):
    session._gate._limit = TIMEOUTS_TO_OPEN
    tasks = [await begin(session.cas([Bound(CAS, (1,))])) for _ in range(TIMEOUTS_TO_OPEN)]
    waiting = await begin(session.cas([Bound(CAS, (1,))]))
    for response in list(link.sent):
        response.fail(cassandra.OperationTimedOut())
    with pytest.raises(MetadataUnavailable, match=SILENT):
        await waiting
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(link.sent) == TIMEOUTS_TO_OPEN
    assert session._gate.in_flight == 0


async def test_only_what_is_the_same_when_repeated_may_be_sent_twice(session):
    for statement, repeatable in ((READ, True), (WRITE, True), (CAS, False), (GLOBAL_CAS, False)):
        assert (await session._preparer.bind(statement, (1,))).is_idempotent is repeatable
