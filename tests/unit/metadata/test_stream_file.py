"""Export files: everything comes back, and a file that is not whole is refused before anything of it is taken."""

import random

import pytest
from metadata_builders import SettableClock
from store_scribbler import Scribbler, everything

from dolmen.gateway.metadata.embedded.tool import ToolFile
from dolmen.gateway.metadata.records import Document
from dolmen.gateway.metadata.stream_file import BadStreamFile, Header, StreamWriter, check_stream, read_stream
from dolmen.gateway.metadata.transfer import DocumentItem, Position, SpaceItem, kind_of, place_of, walk

SEED = random.randrange(1 << 32)
ITEMS = [
    [SpaceItem("s", 7)],
    [DocumentItem(Document(space="s", kind="k", name=str(number), rev=3, raw=bytes(9))) for number in range(5)],
]


def written(path, pages=ITEMS):
    writer = StreamWriter(path, Header(written_us=1, source="test"))
    for items in pages:
        writer.write(items)
    writer.write([])
    return writer.finish()


def test_a_file_tells_what_it_holds(tmp_path):
    trailer = written(tmp_path / "f")
    assert trailer.items == {"space": 1, "document": 5} == check_stream(tmp_path / "f")
    with (tmp_path / "f").open("rb") as file:
        assert [list(items) for items in read_stream(file)] == ITEMS
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_an_empty_store_makes_a_whole_file(tmp_path):
    written(tmp_path / "f", [])
    assert check_stream(tmp_path / "f") == {}


def test_what_is_given_up_leaves_nothing(tmp_path):
    writer = StreamWriter(tmp_path / "f", Header(written_us=1, source="test"))
    writer.write(ITEMS[0])
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_anywhere_is_refused(tmp_path):
    written(tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(BadStreamFile):
            check_stream(tmp_path / "cut")


def test_a_file_changed_anywhere_is_refused(tmp_path):
    written(tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        (tmp_path / "bad").write_bytes(changed)
        with pytest.raises(BadStreamFile):
            check_stream(tmp_path / "bad")


def test_parts_that_are_missing_or_doubled_are_refused(tmp_path):
    written(tmp_path / "f")
    whole = (tmp_path / "f").read_bytes()
    written(tmp_path / "less", ITEMS[:1])
    less = (tmp_path / "less").read_bytes()
    start, frames = whole[:10], list(frames_of(whole))
    for others in (
        [frames[0], *frames[2:]],  # a page is missing
        [frames[0], frames[1], *frames[1:]],  # a page twice
        [*frames[:3], list(frames_of(less))[-1]],  # another file's end
        [frames[0], *frames],  # two beginnings
        frames[1:],  # none
        [frames[-1]],
        [*frames, frames[-1]],
    ):
        (tmp_path / "bad").write_bytes(start + b"".join(others))
        with pytest.raises(BadStreamFile):
            check_stream(tmp_path / "bad")
    (tmp_path / "bad").write_bytes(start + b"".join(frames))
    check_stream(tmp_path / "bad")


def frames_of(whole):
    at = 10
    while at < len(whole):
        end = at + 9 + int.from_bytes(whole[at + 1 : at + 5], "big")
        yield whole[at:end]
        at = end


@pytest.mark.parametrize("content", [b"", b"DOLMENMD", b"DOLMENMD\0\2", b"SQLite format 3\0"])
def test_other_files_are_told_apart(tmp_path, content):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(BadStreamFile, match=r"no file of|format 2|format 0|cut off"):
        check_stream(tmp_path / "f")


async def test_a_whole_store_goes_through_a_file(tmp_path):
    print("seed", SEED)
    source = ToolFile(str(tmp_path / "source"), SettableClock(), garbage_grace_seconds=0)
    await source.open()
    scribbler = Scribbler(source, SEED)
    await scribbler.write(200)
    with source.snapshot():
        before = await everything(source)
        await scribbler.write(30)  # while it is read
        pages = [items async for _, items, _ in walk(source, Position())]
        written(tmp_path / "f", pages)
    with (tmp_path / "f").open("rb") as file:
        found = {(kind_of(item), place_of(item)): item for items in read_stream(file) for item in items}
    assert found == before
    assert found != await everything(source)
    await source.close()
