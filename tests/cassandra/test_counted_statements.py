"""What requests cost: statements to the metadata cluster, none more than the design says."""

import pytest
import pytest_asyncio
from cassandra_parts import session_in
from cassandra_store import url_of
from lossy_world import World
from metadata_builders import SettableClock, layout_of, version_of

from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Kind
from dolmen.gateway.metadata.records import NO_CONDITION, Versioning

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def session(cassandra, parts_keyspace):
    async with session_in(cassandra, parts_keyspace) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def world(session, cassandra, parts_keyspace):
    address = parse_address(url_of(cassandra, parts_keyspace, cache_seconds=60.0))
    made = await World(session, address, SettableClock()).open()
    await made.put(made.mine, b"warm")  # range map, register of processes, the queues' slices
    await made.delete(made.mine, b"warm")
    await made.quiet()
    yield made
    await made.close()


class Spent:
    """Statements of ``world.mine`` within the block."""

    def __init__(self, world):
        self.world, self.cql = world, world.mine.cql

    def __enter__(self):
        self.cql.arm()
        return self

    def __exit__(self, *_):
        self.sent = self.cql.sent
        self.cql.disarm()

    def __len__(self):
        return len(self.sent)

    def __str__(self):
        return "\n".join(map(str, self.sent))


async def test_a_new_object_costs_one_round_trip_after_its_last_byte_and_six_in_all(world):
    store = world.mine
    with Spent(world) as begun:
        intent = await store.begin(world.bucket, b"new")
    assert len(begun) == 3, str(begun)  # head, intent, marks
    with Spent(world) as committed:
        await store.commit(intent, version_of(), NO_CONDITION)
        await store.quiet()
    assert [sent.kind for sent in committed.sent] == [Kind.CAS, Kind.WRITE, Kind.WRITE], str(committed)  # list row, intent


async def test_an_overwrite_costs_one_round_trip_after_its_last_byte(world):
    for _ in range(3):
        await world.put(world.mine, b"k")
        await world.quiet()
        intent = await world.mine.begin(world.bucket, b"k")
        with Spent(world) as committed:
            await world.mine.commit(intent, version_of(layout=layout_of()), NO_CONDITION)
            await world.mine.quiet()
        kinds = [sent.kind for sent in committed.sent]
        assert kinds == [Kind.CAS, Kind.WRITE, Kind.WRITE, Kind.WRITE], str(committed)  # garbage note, list row, intent


async def test_a_read_costs_one_statement(world):
    await world.put(world.mine, b"k")
    await world.quiet()
    await world.mine.get_bucket(world.bucket.name)
    with Spent(world) as spent:
        assert await world.mine.get_bucket(world.bucket.name) == world.bucket
        assert (await world.mine.get_version(world.bucket.bucket_id, b"k")).version_id == "null"
    assert len(spent) == 1, str(spent)
    for version_id in ("null", "nonsense", None):
        with Spent(world) as spent:
            await world.mine.get_version(world.bucket.bucket_id, b"nothing" if version_id is None else b"k", version_id)
        assert len(spent) == (version_id != "nonsense")


async def test_a_read_of_a_version_or_of_a_marker_costs_one_statement(session, address_with_cache):
    world = await World(session, address_with_cache, SettableClock()).open(Versioning.ENABLED)
    first = await world.put(world.mine, b"k")
    second = await world.put(world.mine, b"k")
    marker = await world.delete(world.mine, b"k")
    await world.quiet()
    for version_id, is_latest in ((first.version_id, False), (second.version_id, False), (marker.version_id, True), (None, True)):
        with Spent(world) as spent:
            found = await world.mine.get_version(world.bucket.bucket_id, b"k", version_id)
        assert len(spent) == 1 and found.is_latest is is_latest
        assert found.is_delete_marker is is_latest
    await world.close()


@pytest.fixture
def address_with_cache(cassandra, parts_keyspace):
    return parse_address(url_of(cassandra, parts_keyspace, cache_seconds=60.0))


async def test_a_delete_of_nothing_costs_one_statement(world):
    with Spent(world) as spent:
        await world.delete(world.mine, b"nothing")
        await world.mine.quiet()
    assert len(spent) == 1, str(spent)


async def test_a_delete_costs_four_round_trips_before_its_answer(world):
    await world.put(world.mine, b"k")
    await world.quiet()
    with Spent(world) as spent:
        await world.delete(world.mine, b"k")
        await world.mine.quiet()
    kinds = [sent.kind for sent in spent.sent]
    assert kinds[:4] == [Kind.READ, Kind.WRITE, Kind.READ, Kind.CAS], str(spent)  # head, intent, marks, change
    assert len(spent) <= 4 + 4, str(spent)  # list row, garbage note, note of the old head, intent


async def test_a_page_of_a_list_costs_two_statements(world):
    for number in range(5):
        await world.put(world.mine, b"%d" % number)
    await world.quiet()
    with Spent(world) as spent:
        assert len(await world.mine.scan(world.bucket.bucket_id, b"", None, 1000)) == 5
    assert len(spent) == 2, str(spent)


async def test_a_part_costs_three_statements_and_an_upload_five(world):
    with Spent(world) as created:
        upload = await world.create(world.mine, b"k")
        await world.mine.quiet()
    assert len(created) == 5, str(created)  # list row, the upload, intent, marks, and the intent goes
    with Spent(world) as spent:
        await world.put_part(world.mine, upload, 1)
    assert len(spent) == 2, str(spent)
    with Spent(world) as spent:
        await world.put_part(world.mine, upload, 1)
    assert len(spent) == 3, str(spent)  # and the garbage note


async def test_what_is_refused_after_its_body_takes_its_intent_away_and_costs_no_more(world):
    intent = await world.mine.begin(world.bucket, b"k")
    with Spent(world) as spent:
        await world.mine.abort(intent, layout_of())
        await world.mine.quiet()
    assert len(spent) == 2, str(spent)  # garbage note, intent
    assert await world.intents() == []
