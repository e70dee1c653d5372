"""Everything that a file holds arrives elsewhere as it was: as a whole, and as what changed meanwhile."""

import random

import pytest
from metadata_builders import SettableClock, bucket_of, put
from store_scribbler import Scribbler, everything, lists, usages

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata import transfer
from dolmen.gateway.metadata.comparing import compare
from dolmen.gateway.metadata.copying import Copy
from dolmen.gateway.metadata.embedded.follow import FollowedFile
from dolmen.gateway.metadata.embedded.store import EmbeddedStore
from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import MetadataUnavailable
from dolmen.gateway.metadata.transfer import ItemKind, Position, place_of, walk

SEED = random.randrange(1 << 32)


@pytest.fixture
def seed():
    print("seed", SEED)  # shown when the test fails
    return SEED


@pytest.fixture
async def file_of(tmp_path):
    made = []

    async def make(name, kind=FollowedFile):
        made.append(kind(str(tmp_path / name), SettableClock(), garbage_grace_seconds=0))
        await made[-1].open()
        return made[-1]

    yield make
    for store in made:
        await store.close()


def quiet(*_):
    pass


def copy_of(source):
    return Copy(source, "peer", SettableClock(), quiet)


class Flaky:
    """A target that is away now and then, also in the middle of a page."""

    def __init__(self, store, chance, share):
        self._store, self._chance, self._share = store, chance, share

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def load(self, items):
        if self._chance.random() < self._share:
            await self._store.load(items[: len(items) // 2])
            raise MetadataUnavailable("cut short")
        await self._store.load(items)


@pytest.mark.parametrize("page", [1, 3, 1000])
async def test_a_loaded_store_is_the_dumped_one(file_of, seed, monkeypatch, page):
    monkeypatch.setattr(transfer, "PAGE_ITEMS", page)
    source, target = await file_of("source"), await file_of("target")
    scribbler = Scribbler(source, seed)
    await scribbler.write(150)
    await scribbler.one_of_each()
    async for _, items, _ in walk(source, Position()):
        await target.load(items)
    held = await everything(source)
    assert await everything(target) == held
    assert await lists(target) == await lists(source)
    assert await usages(target, await source.all_buckets("", 100)) == await usages(source, await source.all_buckets("", 100))
    assert {kind for kind, _ in held} == set(ItemKind)


async def test_loading_again_and_forgetting_are_exact(file_of, seed):
    source, target = await file_of("source"), await file_of("target")
    await Scribbler(source, seed).write(200)
    for _ in range(2):
        async for _, items, _ in walk(source, Position()):
            await target.load(items)
    chance = random.Random(seed)
    held = await everything(source)
    gone = [entry for entry in held if chance.random() < 0.5]
    for kind, place in gone:
        await target.forget(kind, [place])
        await target.forget(kind, [place])
        del held[kind, place]
    assert await everything(target) == held
    for kind in ItemKind:
        assert await target.count(kind) == sum(1 for one, _ in held if one is kind)
        assert {place_of(item) for item in await target.fetch(kind, [p for k, p in gone if k is kind])} == set()


@pytest.mark.parametrize("page", [2, 1000])
async def test_what_changes_during_a_copy_arrives_exactly(file_of, seed, monkeypatch, page):
    monkeypatch.setattr("dolmen.gateway.metadata.transfer.PAGE_ITEMS", page)
    monkeypatch.setattr("dolmen.gateway.metadata.copying.PAGE_ITEMS", page)
    source, target = await file_of("source"), await file_of("target")
    other = await file_of("source", EmbeddedStore)  # another process: its statements were prepared before the copy
    writers = [Scribbler(source, seed), Scribbler(other, seed + 1)]
    chance = random.Random(seed)

    class Busy(Flaky):
        async def load(self, items):
            await chance.choice(writers).write(2)
            await super().load(items)

    for writer in writers:
        await writer.write(60)
    busy = Busy(target, chance, 0.2)
    for _ in range(20):
        try:
            copied = await copy_of(source).from_file(busy, final=False)
        except MetadataUnavailable:
            continue
        await writers[1].write(20)
    copied = await copy_of(source).from_file(target, final=True)
    assert (copied.left, copied.final) == (0, True)
    assert await everything(target) == await everything(source)
    assert await lists(target) == await lists(source)
    assert await usages(target, await source.all_buckets("", 100)) == await usages(source, await source.all_buckets("", 100))
    for walk_first in (True, False):
        assert (await compare(source, target, quiet, walk_first=walk_first)).different == 0


async def test_the_last_round_moves_only_what_changed(file_of):
    source, target = await file_of("source"), await file_of("target")
    bucket = await bucket_of(source, versioning=Versioning.ENABLED)
    for number in range(50):
        await put(source, bucket, b"%d" % number)
    assert (await copy_of(source).from_file(target, final=False)).moved == {"bucket": 1, "version": 50}
    await put(source, bucket, b"new")
    await put(source, bucket, b"1")
    assert (await copy_of(source).from_file(target, final=True)).moved == {"version": 2}
    assert (await copy_of(source).from_file(target, final=True)).moved == {}


class Asked:
    """A file as a store that is asked which keys have changed; how it knows is of no interest here."""

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    async def changed_keys(self, since_us):
        assert since_us > 0
        notes = [note for note in await self._file.noted(1 << 20) if note.kind is ItemKind.VERSION]
        yield list({note.place[:2] for note in notes})


@pytest.mark.parametrize("trusted_us", [1 << 60, -1])
async def test_a_store_that_logs_nothing_is_copied_by_what_it_tells_of_its_keys(file_of, seed, monkeypatch, trusted_us):
    monkeypatch.setattr("dolmen.gateway.metadata.copying.HEADS_TRUSTED_US", trusted_us)
    monkeypatch.setattr("dolmen.gateway.metadata.copying.PAGE_ITEMS", 3)
    source, target = await file_of("source"), await file_of("target")
    await source.follow("nobody")
    scribbler = Scribbler(source, seed)
    await scribbler.write(60)
    copy = Copy(target, "source", SettableClock(), quiet)
    with pytest.raises(ConfigError, match="without --final first"):
        await copy.to_file(Asked(source), final=True)
    for final in (False, False, True):
        copied = await Copy(target, "source", SettableClock(), quiet).to_file(Asked(source), final=final)
        if not final:
            await scribbler.write(25)
    assert (copied.final, copied.left) == (True, None)
    assert await everything(target) == await everything(source)
    assert await lists(target) == await lists(source)
    assert await usages(target, await source.all_buckets("", 100)) == await usages(source, await source.all_buckets("", 100))


async def test_a_target_that_was_replaced_by_an_empty_one_is_noticed(file_of):
    source = await file_of("source")
    await bucket_of(source)
    await copy_of(source).from_file(await file_of("target"), final=False)
    with pytest.raises(ConfigError, match="the target is empty"):
        await copy_of(source).from_file(await file_of("another"), final=False)


async def test_a_copy_refuses_what_would_mix_stores(file_of):
    source, target, full = await file_of("source"), await file_of("target"), await file_of("full")
    await bucket_of(full)
    with pytest.raises(ConfigError, match="not empty: it holds a bucket"):
        await copy_of(source).from_file(full, final=False)
    with pytest.raises(ConfigError, match="without --final first"):
        await copy_of(source).from_file(target, final=True)
    await copy_of(source).from_file(target, final=False)
    with pytest.raises(ConfigError, match="being copied to peer"):
        await Copy(source, "another", SettableClock(), quiet).from_file(await file_of("third"), final=False)
    await source.unfollow()
    await bucket_of(source)
    assert await source.read_state("to peer") is None
    await Copy(source, "another", SettableClock(), quiet).from_file(await file_of("third"), final=False)


async def test_a_comparison_tells_every_difference(file_of):
    first, second = await file_of("first"), await file_of("second")
    bucket = await bucket_of(first)
    for key in (b"same", b"other", b"lost"):
        await put(first, bucket, key)
    async for _, items, _ in walk(first, Position()):
        await second.load(items)
    (slot,) = await first.slots(bucket.bucket_id, b"lost")
    await second.forget(ItemKind.VERSION, [(bucket.bucket_id, b"lost", slot)])
    await put(second, bucket, b"other")
    await put(second, bucket, b"more")
    told = []
    for walk_first in (True, False):
        found = await compare(first, second, quiet, walk_first=walk_first)
        assert found.items == {"bucket": 1, "version": 3}
        told.append(sorted((one.kind, one.place[1] if one.kind == "version" else "", one.what) for one in found.told))
    assert told[0] == told[1] == [
        ("garbage", "", "extra"),
        ("version", "lost", "missing"),
        ("version", "more", "extra"),
        ("version", "other", "differs"),
    ]
