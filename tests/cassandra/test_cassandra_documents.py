"""Documents in Cassandra: races of several processes, answers that are lost, and revisions that are cached."""

import asyncio
import time

import pytest
from cassandra_parts import LOSE_AFTER, LOSE_BEFORE, REFUSE, Counting, Losing

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.cassandra import settle
from dolmen.gateway.metadata.cassandra.documents import RECENT_MAX, Documents
from dolmen.gateway.metadata.records import DocumentChange
from dolmen.gateway.metadata.store import DocumentChanged, MetadataUnavailable, MetadataUnknown

CACHED = "iam/"


def documents_on(cql, cache_seconds=0.0):
    return Documents(cql, SystemClock(), cache_seconds, CACHED)


@pytest.fixture
def documents(cql):
    return documents_on(cql)


def change(name="n", raw=b"x", expected=None, kind="k"):
    return DocumentChange(kind=kind, name=name, raw=raw, expected_rev=expected)


async def add_one(documents, space):
    """A counter: what another process did in between is never lost."""
    while True:
        found = await documents.get_document(space, "k", "counter")
        rev, value = (0, 0) if found is None else (found.rev, int(found.raw))
        try:
            return await documents.write_documents(space, [change("counter", str(value + 1).encode(), rev)])
        except DocumentChanged:
            continue


async def test_64_writers_of_four_processes_have_one_winner_each_time(cql, fresh):
    processes = [documents_on(cql) for _ in range(4)]
    writes = [processes[n % 4].write_documents(fresh, [change(raw=b"same", expected=0)]) for n in range(64)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DocumentChanged"] * 63 + ["NoneType"]
    await asyncio.gather(*(add_one(processes[n % 4], fresh) for n in range(16)))
    assert (await processes[0].get_document(fresh, "k", "counter")).raw == b"16"
    assert await processes[0].documents_revision(fresh) == 17


async def test_one_change_may_speak_of_a_document_twice(documents, fresh):
    await documents.write_documents(fresh, [change(raw=b"1"), change(raw=b"2")])
    found = await documents.get_document(fresh, "k", "n")
    assert found.raw == b"2"
    with pytest.raises(DocumentChanged):
        await documents.write_documents(fresh, [change(raw=b"3", expected=found.rev), change(raw=b"4", expected=found.rev)])
    await documents.write_documents(fresh, [change(raw=None, expected=found.rev), change(raw=b"5", expected=0)])
    assert (await documents.get_document(fresh, "k", "n")).raw == b"5"


async def test_names_are_listed_in_the_order_of_their_bytes(documents, fresh):
    names = ["b", "a", "ab", "a\0", "é", "z", "\uffff", "\U0001f600", "ü/1"]
    await documents.write_documents(fresh, [change(name) for name in names])
    listed = [document.name for document in await documents.list_documents(fresh, "k", "", "", 100)]
    assert listed == sorted(names, key=str.encode)
    assert [d.name for d in await documents.list_documents(fresh, "k", "a", "a", 100)] == ["a\0", "ab"]
    assert [d.name for d in await documents.list_documents(fresh, "k", "a", "", 2)] == ["a", "a\0"]
    assert await documents.list_documents(fresh, "k", "a", "b", 100) == []


async def test_a_dropped_space_is_empty_and_its_revision_moves_on(documents, fresh):
    await documents.drop_space(fresh)
    assert await documents.documents_revision(fresh) == 0
    await documents.write_documents(fresh, [change("a"), change("b", kind="other")])
    before = await documents.documents_revision(fresh)
    await documents.drop_space(fresh)
    for kind in ("k", "other"):
        assert await documents.list_documents(fresh, kind, "", "", 10) == []
    assert await documents.documents_revision(fresh) > before
    await documents.write_documents(fresh, [change("a", expected=0)])
    assert len(await documents.list_documents(fresh, "k", "", "", 10)) == 1


@pytest.mark.parametrize("fate", [LOSE_AFTER, LOSE_BEFORE])
@pytest.mark.parametrize("raw", [b"x", None])
async def test_a_change_whose_answer_is_lost_is_made_once(cql, fresh, fate, raw):
    losing = Losing(cql)
    documents, other = documents_on(losing), documents_on(cql)
    await other.write_documents(fresh, [change(raw=b"before")])
    rev = (await other.get_document(fresh, "k", "n")).rev
    losing.plan = [fate, fate, REFUSE]
    await documents.write_documents(fresh, [change(raw=raw, expected=rev)])
    assert await other.documents_revision(fresh) == rev + 1
    found = await other.get_document(fresh, "k", "n")
    assert (None if found is None else found.raw) == raw
    assert not any(await losing.arrive()), "the late tries change nothing"


@pytest.mark.parametrize("fate", [LOSE_AFTER, LOSE_BEFORE])
async def test_another_writer_comes_in_between(cql, fresh, fate):
    """Whoever was first is told so: also when the other one wrote the very same bytes, and over ours."""
    losing = Losing(cql)
    documents, other = documents_on(losing), documents_on(cql)
    losing.plan, told = [fate], []

    async def meanwhile():
        try:
            await other.write_documents(fresh, [change(raw=b"same", expected=0)])
        except DocumentChanged:
            told.append("changed")
            await other.write_documents(fresh, [change(raw=b"over it")])

    losing.meanwhile = meanwhile
    if fate == LOSE_AFTER:
        await documents.write_documents(fresh, [change(raw=b"same", expected=0)])
        assert told == ["changed"]
        assert (await documents.get_document(fresh, "k", "n")).raw == b"over it", "ours is not made a second time"
    else:
        with pytest.raises(DocumentChanged):
            await documents.write_documents(fresh, [change(raw=b"same", expected=0)])
        assert told == []
    assert not any(await losing.arrive())


async def test_nobody_is_told_what_cannot_be_known(cql, fresh):
    losing = Losing(cql)
    documents, other = documents_on(losing), documents_on(cql)
    losing.plan = [LOSE_AFTER]

    async def meanwhile():
        for _ in range(RECENT_MAX):
            await other.write_documents(fresh, [change()])

    losing.meanwhile = meanwhile
    with pytest.raises(MetadataUnknown):
        await documents.write_documents(fresh, [change()])


async def test_what_cannot_be_read_after_a_lost_answer_is_unknown(cql, fresh):
    class Blind(Losing):
        blind = False

        async def run(self, statement, *values):
            if self.blind:
                raise MetadataUnavailable("no read is answered")
            return await super().run(statement, *values)

    losing = Blind(cql)
    losing.plan = [LOSE_AFTER]

    async def meanwhile():
        losing.blind = True

    losing.meanwhile = meanwhile
    with pytest.raises(MetadataUnknown):
        await documents_on(losing).write_documents(fresh, [change()])


async def test_what_never_answers_is_unknown_and_what_was_not_sent_is_not(cql, fresh, monkeypatch):
    monkeypatch.setattr(settle, "SETTLE_SECONDS", 0.3)
    losing = Losing(cql)
    documents = documents_on(losing)
    losing.plan = [LOSE_BEFORE, *[REFUSE] * 1000]
    with pytest.raises(MetadataUnknown):
        await documents.write_documents(fresh, [change()])
    losing.plan = [REFUSE]
    with pytest.raises(MetadataUnavailable):
        await documents.write_documents(fresh, [change()])


async def test_a_cached_revision_costs_nothing_and_a_change_acts_at_once_in_every_process(cql, fresh):
    seconds = 0.2
    space = CACHED + fresh
    counting = Counting(cql)
    one, two = documents_on(counting, seconds), documents_on(cql, seconds)
    assert await one.documents_revision(space) == 0
    assert await one.documents_revision(space) == 0
    assert counting.count == 1
    stop = asyncio.Event()

    async def ask():
        while not stop.is_set():
            begun = time.monotonic()
            seen.append((begun, await one.documents_revision(space)))
            await asyncio.sleep(0.003)

    seen: list = []
    done = []
    asking = asyncio.create_task(ask())
    for rev in range(1, 4):
        await two.write_documents(space, [change()])
        assert await two.documents_revision(space) == rev
        done.append((time.monotonic(), rev))
        await asyncio.sleep(0.05)
    stop.set()
    await asking
    for at, rev in done:
        assert all(found >= rev for begun, found in seen if begun > at)
    assert counting.count < len(seen) / 4
    await one.close()


async def test_spaces_that_nobody_caches_are_written_without_waiting(cql, fresh):
    documents = documents_on(cql, 30.0)
    async with asyncio.timeout(10):
        await documents.write_documents(f"notifications/{fresh}", [change()])
    assert await documents.documents_revision(f"notifications/{fresh}") == 1
