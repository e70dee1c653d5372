"""strace: no acknowledgement leaves a process before the fdatasync that covers it has succeeded.

One client, one request at a time, so that counting is enough: a datanode may never have sent more PUT replies than records it has
appended *and* synced, and between two answers of the gateway there must be a completed sync of the metadata's log.
"""

import re
import shutil
import signal
import subprocess
import time

import pytest
from dev_server import DevServer
from process_tree import command_of, descendants

CALLS = "trace=pwrite64,pwritev,pwritev2,fdatasync,fsync,write,writev,sendto,sendmsg"
PUTS = 40
ATTACH_SECONDS = 20.0

LINE = re.compile(r"^(\d+)\s+(.*)$")
CALL = re.compile(r"^(\w+)\((\d+)<([^>]*)>(.*)$")
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>.*\)\s+=\s+(-?\d+)")
RESULT = re.compile(r"\)\s+=\s+(-?\d+)")

RECORD = r"\x44\x4c\x4d\x52"  # magic of a record
PUT_REPLY = r"\xd0\x1e\x01\x0b"  # magic, version, kind of a PUT's reply
OK = r"\x48\x54\x54\x50\x2f\x31\x2e\x31\x20\x32\x30\x30"  # "HTTP/1.1 200"


class Trace:
    """strace attached to one process."""

    def __init__(self, pid, path):
        self.path = path
        command = ["strace", "-f", "-qq", "-y", "-xx", "-s", "4096", "-e", CALLS, "-o", str(path), "-p", str(pid)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        deadline = time.monotonic() + ATTACH_SECONDS
        while self.tracer(pid) == 0:
            assert self.process.poll() is None, self.process.stderr.read().decode()
            assert time.monotonic() < deadline, "strace does not attach"
            time.sleep(0.02)

    @staticmethod
    def tracer(pid):
        with open(f"/proc/{pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("TracerPid:"))

    def events(self):
        """(call, file, text at its start, succeeded) in order; a call is told when it starts, its success when it ends."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.process.stderr.close()
        open_calls = {}
        for line in self.path.read_text(errors="replace").splitlines():
            pid, text = LINE.match(line).groups()
            resumed, call = RESUMED.match(text), CALL.match(text)
            if resumed:
                if pid in open_calls:
                    yield "end", *open_calls.pop(pid), int(resumed.group(2)) >= 0
            elif call:
                name, _, file, rest = call.groups()
                yield "start", name, decoded(file), rest, True
                result = RESULT.search(rest)
                if result is None:
                    open_calls[pid] = (name, decoded(file), rest)
                else:
                    yield "end", name, decoded(file), rest, int(result.group(1)) >= 0


def decoded(path):
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match.group(1), 16)), path)


@pytest.fixture
def traced(tmp_path):
    assert shutil.which("strace"), "strace is missing: apt-get install strace"
    with DevServer(tmp_path) as server:
        server.client().create_bucket(Bucket="synced")
        yield server


def processes(server, module):
    return [pid for pid in descendants(server.pid) if f" {module} " in command_of(pid)]


def put_objects(server):
    s3 = server.client()
    for number in range(PUTS):
        s3.put_object(Bucket="synced", Key=f"k{number}", Body=bytes(700 * number + 1))


def test_datanodes_reply_after_the_covering_fdatasync(traced, tmp_path):
    pids = processes(traced, "dolmen.datanode")
    traces = [Trace(pid, tmp_path / f"datanode-{pid}.trace") for pid in pids]
    put_objects(traced)
    replies_in_all = 0
    for trace in traces:
        written, synced, replies = {}, 0, 0
        for moment, name, file, text, succeeded in trace.events():
            if name.startswith("pwrite") and moment == "end" and succeeded:
                written[file] = written.get(file, 0) + text.count(RECORD)
            elif name in ("fdatasync", "fsync") and moment == "end" and succeeded:
                synced += written.pop(file, 0)
            elif moment == "start" and PUT_REPLY in text:
                replies += text.count(PUT_REPLY)
                assert replies <= synced, f"{trace.path.name}: reply {replies} left, {synced} records were synced"
        replies_in_all += replies
    assert replies_in_all >= 3 * PUTS, "every PUT of 4+2 has at least three fragments"


def test_the_gateway_answers_after_the_metadata_log_is_synced(traced, tmp_path):
    (pid,) = processes(traced, "dolmen.gateway")
    trace = Trace(pid, tmp_path / "gateway.trace")
    put_objects(traced)
    dirty, synced, answers = False, False, 0
    for moment, name, file, text, succeeded in trace.events():
        if name.startswith("pwrite") and file.endswith("-wal") and moment == "end":
            dirty, synced = True, False
        elif name in ("fdatasync", "fsync") and file.endswith("-wal") and moment == "end" and succeeded and dirty:
            dirty, synced = False, True
        elif moment == "start" and OK in text:
            answers += 1
            assert synced, f"answer {answers} left before the metadata's log was synced"
            synced = False
    assert answers == PUTS
