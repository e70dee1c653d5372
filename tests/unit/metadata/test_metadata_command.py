"""``dolmen metadata`` on files: actions, exit codes, one-line errors, progress."""

import asyncio
import io
import json
import re

import apsw
import pytest
from metadata_builders import SettableClock, bucket_of, keys_of, put
from store_scribbler import Scribbler, everything

from dolmen.gateway.metadata.command.arguments import arguments_of
from dolmen.gateway.metadata.command.progress import Progress
from dolmen.gateway.metadata.command.run import main
from dolmen.gateway.metadata.embedded.database import MIGRATIONS
from dolmen.gateway.metadata.embedded.database import SCHEMA_VERSION as KNOWN
from dolmen.gateway.metadata.embedded.tool import ToolFile


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.setattr("dolmen.gateway.metadata.command.run.configure", lambda *_: None)  # of the log of this whole process
    monkeypatch.delenv("DOLMEN_METADATA", raising=False)


@pytest.fixture
def metadata(capsys):
    """``metadata("check", ...)`` -> (exit code, standard output, standard error)."""

    def run(*arguments):
        code = main(list(map(str, arguments)))
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def on(path, work):
    """What ``work`` of the open store answers."""

    async def run():
        store = ToolFile(str(path), SettableClock(), garbage_grace_seconds=0)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


async def fill(store):
    for name in ("first", "second"):
        bucket = await bucket_of(store, name)
        for number in range(3):
            await put(store, bucket, b"key-%d" % number)


@pytest.fixture
def place(tmp_path):
    on(tmp_path / "m", fill)
    return f"embedded:{tmp_path}/m"


def spoil(tmp_path):
    """A row that is missing, one that is not of this world, one that tells an old state."""
    connection = apsw.Connection(str(tmp_path / "m"))
    buckets = [row[0] for row in connection.execute("SELECT bucket_id FROM buckets ORDER BY name")]
    rows = connection.execute("SELECT row FROM listing WHERE bucket_id = ? ORDER BY key", (buckets[0],)).fetchall()
    connection.execute("DELETE FROM listing WHERE bucket_id = ? AND key = ?", (buckets[0], b"key-0"))
    connection.execute("UPDATE listing SET row = ? WHERE bucket_id = ? AND key = ?", (rows[0][0], buckets[0], b"key-1"))
    connection.execute("INSERT INTO listing VALUES (?, ?, ?)", (buckets[0], b"key-9", rows[0][0]))
    connection.close()


def test_a_healthy_store_is_clean(metadata, place):
    code, out, err = metadata("check", "--metadata", place)
    assert code == 0
    told = [f"schema {KNOWN}, this program's is {KNOWN}", "2 buckets, 6 comparisons of keys with lists, 0 wrong"]
    assert out.splitlines() == told
    assert err == "looking for damage of the file\n"
    code, out, _ = metadata("check", "second", "--metadata", place, "--output", "json")
    found = json.loads(out)
    assert (code, found["reasons"], found["lists"]["buckets"], found["lists"]["keys"]) == (0, [], 1, 3)


def test_wrong_lists_are_found_and_a_scrub_heals_them(metadata, place, tmp_path):
    spoil(tmp_path)
    code, out, _ = metadata("check", "--metadata", place)
    assert code == 1
    assert out.splitlines()[1:] == [
        "2 buckets, 7 comparisons of keys with lists, 3 wrong",
        "first/key-0: missing",
        "first/key-1: differs",
        "first/key-9: extra",
    ]
    assert metadata("check", "second", "--metadata", place)[0] == 0
    code, out, _ = metadata("scrub", "--metadata", place, "--output", "json", "--rows-per-second", "0")
    found = json.loads(out)
    assert (code, found["wrong"], found["healed"]) == (0, 3, 3)
    assert metadata("check", "--metadata", place)[0] == 0

    async def listed(store):
        return await keys_of(store, await store.get_bucket("first"))

    assert on(tmp_path / "m", listed) == [b"key-0", b"key-1", b"key-2"]


def test_a_scrub_keeps_to_its_rate(metadata, place, monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr("dolmen.gateway.metadata.listcheck.asyncio.sleep", sleep)
    monkeypatch.setattr("dolmen.gateway.metadata.listcheck.PAGE_KEYS", 2)
    assert metadata("scrub", "--metadata", place, "--rows-per-second", "0.5")[0] == 0
    assert [round(seconds) for seconds in slept if seconds] == [4, 6, 10, 12]


def test_an_older_schema_is_told_and_migrated(metadata, tmp_path):
    old, new = f"embedded:{tmp_path}/old", f"embedded:{tmp_path}/new"
    connection = apsw.Connection(str(tmp_path / "old"))
    connection.execute(MIGRATIONS[1] + "PRAGMA user_version = 1")
    connection.close()
    code, out, _ = metadata("check", "--metadata", old)
    assert code == 1
    assert f"the schema has version 1, not {KNOWN}: run `dolmen metadata migrate`" in out
    assert metadata("migrate", "--metadata", old) == (0, f"the schema has version {KNOWN}, it had 1\n", "")
    assert metadata("migrate", "--metadata", old) == (0, f"the schema has version {KNOWN} already\n", "")
    assert metadata("check", "--metadata", old)[0] == 0
    assert metadata("migrate", "--metadata", new)[1] == f"the schema has version {KNOWN}, it had none\n"


def test_damage_of_the_file_is_found(metadata, place, tmp_path):
    connection = apsw.Connection(str(tmp_path / "m"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    raw = bytearray((tmp_path / "m").read_bytes())
    pages = len(raw) // 4096
    for page in range(2, pages):
        raw[page * 4096 + 8 : page * 4096 + 200] = bytes(192)
    (tmp_path / "m").write_bytes(raw)
    code, out, _ = metadata("check", "--metadata", place)
    assert code == 1
    assert "not usable:" in out
    assert "lists were not judged" in out


def test_a_store_is_copied_while_it_changes(metadata, place, tmp_path):
    new = f"embedded:{tmp_path}/new"
    pair = ("--from", place, "--to", new)
    code, out, err = metadata("copy", *pair, "--final")
    assert (code, out) == (2, "")
    assert "without --final first" in err
    code, out, _ = metadata("copy", *pair)
    assert code == 0
    assert "6 versions" in out
    on(tmp_path / "m", lambda store: Scribbler(store, 1).write(50))
    assert metadata("copy", *pair, "--verify")[0] == 1
    assert json.loads(metadata("copy", *pair, "--final", "--output", "json")[1])["left"] == 0
    code, out, _ = metadata("copy", *pair, "--verify")
    assert (code, out.strip().endswith("0 different")) == (0, True)
    assert on(tmp_path / "m", everything) == on(tmp_path / "new", everything)
    assert metadata("copy", *pair, "--end")[0] == 0
    names = apsw.Connection(str(tmp_path / "m")).execute("SELECT name FROM sqlite_schema").fetchall()
    assert not any("transfer" in name for (name,) in names)


def test_export_and_import(metadata, place, tmp_path):
    file = tmp_path / "store.dolmen"
    code, out, _ = metadata("export", file, "--metadata", place)
    assert code == 0
    assert "2 buckets, 6 versions" in out
    new = f"embedded:{tmp_path}/new"
    assert metadata("import", file, "--metadata", new)[0] == 0
    assert on(tmp_path / "m", everything) == on(tmp_path / "new", everything)
    code, _, err = metadata("import", file, "--metadata", new)
    assert (code, "not empty" in err) == (2, True)
    assert metadata("import", file, "--over", "--metadata", new)[0] == 0
    file.write_bytes(file.read_bytes()[:-1])
    third = tmp_path / "third"
    code, _, err = metadata("import", file, "--metadata", f"embedded:{third}")
    assert (code, err.splitlines()[-1]) == (2, "dolmen metadata: the file was cut off: it has no end")
    assert not third.exists()


REFUSED = {
    "no store": (("check",), "--metadata (or DOLMEN_METADATA) is required"),
    "no such file": (("check", "--metadata", "embedded:nowhere"), "there is no metadata file nowhere"),
    "another backend": (("check", "--metadata", "oracle:x"), "neither embedded:PATH nor cassandra:"),
    "no such bucket": (("check", "gone", "--metadata", "{place}"), "there is no bucket gone"),
    "an unknown action": (("melt",), "invalid choice: 'melt'"),
    "no action": ((), "required: ACTION"),
    "two ways at once": (("copy", "--from", "a", "--to", "b", "--final", "--verify"), "not allowed with"),
    "onto itself": (("copy", "--from", "{place}", "--to", "{place}"), "same store"),
    "onto itself by another path": (("copy", "--from", "{place}", "--to", "embedded:{tmp}/./m"), "same store"),
    "two clusters": (("copy", "--from", "cassandra://a/k", "--to", "cassandra://b/k"), "must be embedded:PATH"),
    "a rate below nothing": (("scrub", "--metadata", "{place}", "--rows-per-second", "-1"), "less than 0"),
    "nowhere to write": (("export", "{tmp}/no/file", "--metadata", "{place}"), "is no directory"),
    "nothing to import": (("import", "{tmp}/no", "--metadata", "{place}"), "there is no file"),
}


@pytest.mark.parametrize(("arguments", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_refusals_are_one_line(metadata, place, tmp_path, arguments, text):
    code, out, err = metadata(*(word.format(place=place, tmp=tmp_path) for word in arguments))
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert re.fullmatch(r"dolmen metadata[^\n]*: [^\n]+", last)
    assert text in last


def test_an_interruption_is_told(metadata, place, monkeypatch):
    async def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dolmen.gateway.metadata.command.run.act", interrupted)
    assert metadata("check", "--metadata", place) == (130, "", "dolmen metadata: interrupted; run it again and it goes on\n")


def test_the_environment_names_the_store(place, monkeypatch):
    monkeypatch.setenv("DOLMEN_METADATA", place)
    assert arguments_of(["check"]).metadata == place


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("dolmen.gateway.metadata.command.progress.time.monotonic", lambda: now[0])
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        now[0] = 0.0
        progress = Progress(out)
        for step in range(4):
            now[0] += 2
            progress.show(f"version: {step}", step / 4)
        progress.show("not yet")
        progress.close()
    assert terminal.getvalue().count("\r[") == 4
    assert "[#######.......................] version: 1" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue() == "version: 0\nversion: 3\n"
