"""Operations that tests disturb: what was there before them, who comes after them, what a client does that was left in doubt."""

from lossy_world import DONE, NO, UNKNOWN, told_of

from dolmen.gateway.metadata.records import Versioning
from dolmen.gateway.metadata.store import NoSuchUpload


class Operation:
    """``prepare`` a world with its sound store, then ``act`` with one that loses statements."""

    versioning = Versioning.OFF

    async def prepare(self, world):
        """Nothing is there."""

    async def rival(self, world):
        """Somebody else, after this one."""
        await world.put(world.other, b"k", "r" * 32)

    async def after(self, world, told):
        """What a client does in the end, who was perhaps left in doubt."""


class PutNew(Operation):
    async def act(self, world, store):
        await world.put(store, b"k", "n" * 32)


class PutOver(PutNew):
    async def prepare(self, world):
        await world.put(world.mine, b"k", "o" * 32)
        await world.put(world.mine, b"k", "p" * 32)


class PutOverAsAnother(PutOver):
    """The notes of the change before are not known to be copied."""

    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        await world.put(world.other, b"k", "p" * 32)


class PutVersion(PutOver):
    versioning = Versioning.ENABLED


class PutNullVersion(PutOver):
    versioning = Versioning.SUSPENDED


class Delete(PutOver):
    async def act(self, world, store):
        await world.delete(store, b"k")


class DeleteLeavingAMarker(Delete):
    versioning = Versioning.ENABLED


class DeleteAVersion(Delete):
    versioning = Versioning.ENABLED

    async def act(self, world, store):
        newest = (await world.versions(b"k"))[0]
        await world.delete(store, b"k", newest.version_id)


class ReplaceData(PutOver):
    async def act(self, world, store):
        await world.replace(store, b"k")


class Update(PutOver):
    async def act(self, world, store):
        await world.update(store, b"k")


class Rename(Operation):
    async def prepare(self, world):
        await world.put(world.other, b"a", "s" * 32)
        world.keys.add(b"k")

    async def act(self, world, store):
        await world.rename(store, b"a", b"k")


class RenameOver(Rename):
    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        await super().prepare(world)


class RenameAway(RenameOver):
    async def rival(self, world):
        await world.put(world.other, b"a", "r" * 32)


class CreateUpload(Operation):
    async def act(self, world, store):
        await world.create(store, b"k")


class PutPart(Operation):
    async def prepare(self, world):
        self.upload = await world.create(world.other, b"k")
        await world.put_part(world.other, self.upload, 1, "1" * 32)

    async def act(self, world, store):
        await world.put_part(store, self.upload, 1, "2" * 32)

    async def rival(self, world):
        await world.put_part(world.other, self.upload, 1, "3" * 32)

    async def after(self, world, told):
        await world.other.abort_upload(self.upload)


class Abort(PutPart):
    async def prepare(self, world):
        await super().prepare(world)
        await world.put_part(world.other, self.upload, 2, "2" * 32)

    async def act(self, world, store):
        await store.abort_upload(self.upload)

    async def rival(self, world):
        await told_of(super().rival(world))

    async def after(self, world, told):
        told_again, error = await told_of(world.other.abort_upload(self.upload))
        assert told_again == DONE or isinstance(error, NoSuchUpload)
        assert told != NO or told_again == DONE


class Complete(Operation):
    async def prepare(self, world):
        await world.put(world.other, b"k", "o" * 32)
        self.upload = await world.create(world.other, b"k")
        self.parts = [await world.put_part(world.other, self.upload, number, str(number) * 32) for number in (1, 2, 3)]

    async def act(self, world, store):
        self.told = await world.complete(store, self.upload, self.parts[:2])

    async def after(self, world, told):
        told_again, again = await told_of(world.complete(world.other, self.upload, self.parts[:2]))
        if told == DONE:
            assert again == self.told
        elif told_again == NO:
            assert told == UNKNOWN and isinstance(again, NoSuchUpload), again
            world.doubtful.update(part.layout for part in self.parts)


OPERATIONS = [
    *(PutNew, PutOver, PutOverAsAnother, PutVersion, PutNullVersion, Delete, DeleteLeavingAMarker, DeleteAVersion, ReplaceData),
    *(Update, Rename, RenameOver, RenameAway, CreateUpload, PutPart, Abort, Complete),
]
