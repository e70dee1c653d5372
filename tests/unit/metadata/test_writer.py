"""Group commit of the embedded store: refusals, failures and slices touch nobody else."""

import asyncio
import fcntl
import threading

import apsw
import pytest

from dolmen.core.clock import SystemClock
from dolmen.gateway.metadata.embedded import checkpoint
from dolmen.gateway.metadata.embedded.database import Turn, connect, prepare
from dolmen.gateway.metadata.embedded.writer import Writer
from dolmen.gateway.metadata.store import MetadataUnavailable, MetadataUnknown


class HastyClock(SystemClock):
    """Each look at it is a second later: every slice is over after one operation."""

    seconds = 0.0

    def monotonic_seconds(self):
        self.seconds += 1
        return self.seconds


@pytest.fixture
def path(tmp_path):
    made = str(tmp_path / "m.db")
    prepare(made)
    return made


@pytest.fixture
async def writer(path):
    made = Writer(path, SystemClock(), lambda pages: None)
    yield made
    await made.close()


def lease(name):
    def run(transaction):
        transaction.execute("INSERT INTO leases VALUES (?, 'me', 0, 1)", (name,))
        return name

    return run


def refused(transaction):
    raise KeyError("refused")


def written_and_refused(transaction):
    transaction.execute("INSERT INTO leases VALUES ('half', 'me', 0, 1)")
    raise KeyError("too late")


def leases_of(path):
    connection = connect(path, readonly=True)
    names = [name for (name,) in connection.execute("SELECT name FROM leases ORDER BY name").fetchall()]
    connection.close()
    return names


@pytest.mark.parametrize("bad", [refused, written_and_refused])
async def test_a_refusal_undoes_nothing_of_its_neighbours(writer, path, bad):
    outcomes = await asyncio.gather(
        *(writer.submit(operation) for operation in (lease("a"), bad, lease("b"))), return_exceptions=True
    )
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == ("a", KeyError, "b")
    assert leases_of(path) == ["a", "b"]


async def test_an_error_of_the_database_is_the_operations_own(writer, path):
    outcomes = await asyncio.gather(
        *(writer.submit(operation) for operation in (lease("a"), lease("a"), lease("b"))), return_exceptions=True
    )
    assert (outcomes[0], type(outcomes[1]), outcomes[2]) == ("a", MetadataUnavailable, "b")
    assert leases_of(path) == ["a", "b"]


async def test_operations_of_one_request_share_a_transaction_and_have_their_own_outcomes(writer, path):
    outcomes = await writer.submit_all([lease("a"), refused, written_and_refused, lease("b")])
    assert outcomes[::3] == ["a", "b"]
    assert [type(outcome) for outcome in outcomes[1:3]] == [KeyError, KeyError]
    assert leases_of(path) == ["a", "b"]


async def test_a_failed_commit_is_unknown_to_writers_and_a_retry_for_the_refused(writer, path):
    writer._connection.set_commit_hook(lambda: True)  # every COMMIT fails
    outcomes = await asyncio.gather(writer.submit(lease("a")), writer.submit(refused), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [MetadataUnknown, MetadataUnavailable]
    assert not isinstance(outcomes[1], MetadataUnknown)
    writer._connection.set_commit_hook(None)
    assert await writer.submit(lease("b")) == "b"
    assert leases_of(path) == ["b"]


async def test_a_full_disk_refuses_and_does_not_stop_the_writer(writer, path):
    pages = writer._connection.execute("PRAGMA page_count").fetchall()[0][0]
    writer._connection.execute(f"PRAGMA max_page_count = {pages + 2}")

    def large(transaction):
        transaction.execute("INSERT INTO cluster_map VALUES (1, 1, zeroblob(1000000))")

    outcomes = await asyncio.gather(writer.submit(lease("a")), writer.submit(large), return_exceptions=True)
    assert isinstance(outcomes[1], MetadataUnavailable)
    assert not isinstance(outcomes[1], MetadataUnknown)
    assert await writer.submit(lease("b")) == "b"
    assert leases_of(path) == (["a", "b"] if outcomes[0] == "a" else ["b"])


async def test_a_long_transaction_gives_the_loop_back_in_between(path):
    writer = Writer(path, HastyClock(), lambda pages: None)
    turns = []

    async def others():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    outcomes = await writer.submit_all([lease(f"{number:03d}") for number in range(100)])
    task.cancel()
    assert outcomes == leases_of(path)
    assert len(turns) >= 100
    await writer.close()


async def test_what_was_accepted_is_finished_before_the_end_and_nothing_is_taken_after_it(path):
    writer = Writer(path, SystemClock(), lambda pages: None)
    accepted = [asyncio.create_task(writer.submit(lease(f"{number:03d}"))) for number in range(600)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*accepted) == leases_of(path)
    with pytest.raises(MetadataUnavailable):
        await writer.submit(lease("late"))


async def test_a_caller_that_goes_away_disturbs_nobody(writer, path):
    gone = asyncio.create_task(writer.submit(lease("gone")))
    stays = asyncio.create_task(writer.submit(lease("stays")))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == "stays"
    assert "stays" in leases_of(path)


async def test_another_process_that_has_the_file_is_waited_for(writer, path):
    other = Turn(path)
    other.acquire()
    waiting = asyncio.create_task(writer.submit(lease("a")))
    for _ in range(100):
        await asyncio.sleep(0)
    assert not waiting.done()
    assert leases_of(path) == []
    other.release()
    assert await waiting == "a"
    other.close()


def test_who_waits_for_the_file_is_not_passed_over(path):
    first, second = Turn(path), Turn(path)
    first.acquire()
    got, go_on = threading.Event(), threading.Event()

    def wait():
        second.acquire()
        got.set()
        go_on.wait()
        second.release()

    thread = threading.Thread(target=wait)
    thread.start()
    with open(f"{path}.queue") as queue:
        while True:  # until the other stands in the queue
            try:
                fcntl.flock(queue, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(queue, fcntl.LOCK_UN)
            except BlockingIOError:
                break
    first.release()
    assert not first.try_acquire(), "the other is in the queue or has it already"
    got.wait()
    assert not first.try_acquire()
    go_on.set()
    thread.join()
    assert first.try_acquire()
    first.close()
    second.close()


async def test_the_log_is_copied_back_and_starts_again(path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHECKPOINT_PAGES", 50)
    monkeypatch.setattr(checkpoint, "LOG_PAGES_MAX", 20)
    log_pages = []
    writer = Writer(path, SystemClock(), log_pages.append)
    checkpointer = checkpoint.Checkpointer(path)
    for number in range(60):
        await writer.submit(lease(f"{number:03d}"))
    checkpointer._copy()
    assert log_pages[-1] > 50
    await writer.submit(lease("later"))
    assert log_pages[-1] < 10, "from its beginning"
    asked = []
    monkeypatch.setattr(checkpointer._due, "set", lambda: asked.append(1))
    for pages in (49, 50, 99, 100, 3, 52, 53):
        checkpointer.committed(pages)
    assert len(asked) == 3, "at 50, at 100, and at 52 of the log that started again"
    monkeypatch.undo()
    await writer.close()
    checkpointer.close()


def test_apsw_is_one_that_does_not_corrupt():
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) >= (3, 51, 3)
