"""A store moves to Cassandra and back while it changes, and arrives exactly; answers that are lost change nothing about that.

One test has the keyspace for itself: it compares all that is in it.
"""

import random

import pytest
from cassandra_parts import Between, address_of, make_schema, session_in
from metadata_builders import SettableClock
from store_scribbler import Scribbler, everything, lists

from dolmen.gateway.metadata.cassandra.store import CassandraStore
from dolmen.gateway.metadata.cassandra.transfer import CassandraTransfer
from dolmen.gateway.metadata.comparing import compare
from dolmen.gateway.metadata.copying import Copy
from dolmen.gateway.metadata.embedded.follow import FollowedFile
from dolmen.gateway.metadata.listcheck import check_lists
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown
from dolmen.gateway.metadata.transfer import ItemKind

SEED = random.randrange(1 << 32)


class Unsure(Between):
    """Answers of conditional changes are lost now and then: after the change, or before it."""

    def __init__(self, inner, chance):
        super().__init__(inner)
        self.chance = chance
        self.share = 0.0

    async def cas(self, bound):
        drawn = self.chance.random()
        if drawn < self.share / 2:
            await super().cas(bound)
            raise MetadataUnknown("the answer was lost")
        if drawn < self.share:
            raise MetadataUnknown("the question was lost")
        return await super().cas(bound)


def quiet(*_):
    pass


@pytest.fixture
async def file_of(tmp_path):
    made = []

    async def make(name):
        made.append(FollowedFile(str(tmp_path / name), SettableClock(), garbage_grace_seconds=900))
        await made[-1].open()
        return made[-1]

    yield make
    for store in made:
        await store.close()


async def same_everywhere(first, second):
    assert await everything(first) == await everything(second)
    for walk_first in (True, False):
        assert (await compare(first, second, quiet, walk_first=walk_first)).different == 0


async def clean_lists(tool):
    checked = await check_lists(tool, [], SettableClock(), quiet, heal=False, keys_per_second=0)
    assert (checked.wrong, checked.told) == (0, [])


async def until_done(copy_once, scribbler):
    """Again and again, with changes in between and in the middle; the last round alone is undisturbed."""
    for _ in range(4):
        try:
            await copy_once(final=False)
        except (MetadataUnknown, MetadataUnavailable):
            continue
        await scribbler.write(15)


@pytest.fixture(scope="module")
def keyspace(shared_keyspace):
    return shared_keyspace(make_schema, "transfer")


async def test_there_and_back_again(cassandra, keyspace, file_of):
    print("seed", SEED)
    chance = random.Random(SEED)
    address = address_of(cassandra, keyspace)
    clock = SettableClock()
    source, back = await file_of("source"), await file_of("back")
    scribbler = Scribbler(source, SEED)
    await scribbler.write(80)
    await scribbler.one_of_each()
    async with session_in(cassandra, keyspace) as session:
        unsure = Unsure(session, chance)
        tool = CassandraTransfer(unsure, address, clock)

        async def there(*, final):
            return await Copy(source, "there", clock, quiet).from_file(tool, final=final)

        unsure.share = 0.05
        await until_done(there, scribbler)
        unsure.share = 0.0
        await there(final=False)
        await there(final=True)
        await same_everywhere(source, tool)
        await clean_lists(tool)

        store = CassandraStore(address, clock, garbage_grace_seconds=900)
        await store.open()
        assert await lists(store) == await lists(source)
        other = Scribbler(store, SEED + 1)
        other.epoch = scribbler.epoch

        async def from_there(*, final):
            return await Copy(back, "from there", clock, quiet).to_file(tool, final=final)

        await from_there(final=False)
        await other.write(25)
        await other.one_of_each()
        await from_there(final=False)
        await other.write(10)
        await store.close()
        copied = await from_there(final=True)
        assert copied.moved.get("version", 0) < len([1 for kind, _ in await everything(back) if kind is ItemKind.VERSION]) + 1
        await same_everywhere(tool, back)
        await tool.close()
