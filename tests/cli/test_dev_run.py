"""``dolmen dev`` as a whole: real processes, one directory, whatever kills them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request

import pytest

from dolmen.cli.dev.home import RootKeys
from dolmen.cli.dev.probe import list_buckets_headers

START_SECONDS = 60  # a loaded machine; an idle one needs two
COMMAND = [sys.executable, "-P", "-m", "dolmen.cli"]


def get(url, headers=None):
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def until(condition, seconds=START_SECONDS):
    """Polls: there is no event to wait for across processes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


class Dev:
    """A running ``dolmen dev``."""

    def __init__(self, directory, *options, env=None):
        command = [*COMMAND, "dev", str(directory), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        self.directory = directory
        self.lines = []
        self.process = subprocess.Popen(
            [*command, *(options or ("--workers", "2", "--datanodes", "2"))],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **(env or {})},
        )

    def wait_ready(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("ready "):
                addresses = json.loads((self.directory / "run" / "dev.json").read_text())
                self.endpoint, self.admin = addresses["endpoint"], addresses["admin"]
                return self
        raise AssertionError(f"ended with {self.process.wait()}: {self.lines}")

    def status(self):
        code, body = get(f"{self.admin}/v1/status")
        return json.loads(body) if code == 200 else None

    def settled(self):
        status = self.status()
        under = status["under_replicated"] if status else {}
        return status if under == {"stripes": 0, "exact": True} and status["groups"]["degraded"] == 0 else None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("dev") / "data"


@pytest.fixture(scope="module")
def dev(directory):
    made = Dev(directory)
    try:
        yield made.wait_ready()
    finally:
        made.end()


def test_it_says_where_to_go_and_what_to_type(dev):
    text = "\n".join(dev.lines)
    keys = tomllib.loads((dev.directory / "root-keys.toml").read_text())
    for word in (dev.endpoint, dev.admin, keys["access_key_id"], keys["secret_access_key"], "rclone", "s3cmd", "boto3"):
        assert word in text
    assert (dev.directory / "root-keys.toml").stat().st_mode & 0o777 == 0o600


def test_ready_means_that_a_signed_request_succeeds(dev):
    assert get(f"{dev.admin}/healthz") == (200, b"ok\n")
    assert get(f"{dev.admin}/readyz") == (200, b"ready\n")
    keys = RootKeys(**tomllib.loads((dev.directory / "root-keys.toml").read_text()), generated=True)
    host = dev.endpoint.removeprefix("http://")
    headers = list_buckets_headers(host, keys, "us-east-1", _now())
    code, body = get(f"{dev.endpoint}/?max-buckets=1", headers)
    assert (code, b"<ListAllMyBucketsResult" in body) == (200, True)


def _now():
    import datetime

    return datetime.datetime.now(datetime.UTC)


def test_metrics_and_status_tell_the_same(dev):
    def sample(name):
        page = get(f"{dev.admin}/metrics")[1].decode()
        lines = [line for line in page.splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    status = dev.status()
    assert [disk["location"] for disk in status["disks"]] == [f"disks/{n}" for n in range(6)]
    assert {disk["state"] for disk in status["disks"]} == {"ready"}
    assert status["groups"]["whole"] == status["groups"]["total"] > 0
    until(lambda: sample('dolmen_disks{process="maintenance",state="ready"}') == 6)
    assert sample("dolmen_map_epoch") == status["epoch"]
    assert sample("dolmen_under_replicated_stripes") == status["under_replicated"]["stripes"]
    assert sample("dolmen_process_up") == 5
    assert sample("dolmen_s3_requests_total") > 0


def test_status_for_people_and_for_programs(dev):
    table = subprocess.run([*COMMAND, "status", str(dev.directory)], capture_output=True, text=True, check=True).stdout
    assert all(f"disks/{n}" in table for n in range(6))
    assert "under-replicated  0 stripes" in table
    text = subprocess.run(
        [*COMMAND, "status", "--admin", dev.admin, "--output", "json"], capture_output=True, text=True, check=True
    ).stdout
    assert len(json.loads(text)["processes"]) == 5


def test_a_directory_in_use_is_refused_in_one_line(dev):
    result = subprocess.run(
        [*COMMAND, "dev", str(dev.directory), "--listen", "127.0.0.1:0"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "is in use by another" in result.stderr


def test_a_port_in_use_is_refused_in_one_line(dev, tmp_path):
    taken = dev.endpoint.removeprefix("http://")
    result = subprocess.run(
        [*COMMAND, "dev", str(tmp_path / "other"), "--listen", taken], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (2, f"dolmen: {taken} is in use by another program\n")


def test_each_killed_process_is_started_again(dev):
    before = {process["name"]: process for process in until(dev.status)["processes"]}
    for process in before.values():
        os.kill(process["pid"], signal.SIGKILL)

    def again():
        status = dev.settled()
        now = {process["name"]: process for process in status["processes"]} if status else {}
        return all(name in now and now[name]["restarts"] > old["restarts"] for name, old in before.items())

    until(again)
    until(lambda: get(f"{dev.admin}/readyz")[0] == 200)


def test_a_disk_that_vanishes_or_is_emptied_is_filled_again(dev):
    old = {disk["location"]: disk["uuid"] for disk in until(dev.settled)["disks"]}
    for number in (1, 2):
        (dev.directory / "disks" / str(number)).rename(dev.directory / f"gone-{number}")  # at once: it is written to
    until(lambda: [disk["state"] for disk in (dev.status() or {"disks": []})["disks"]].count("missing") == 2)
    assert get(f"{dev.admin}/readyz")[0] == 200, "four of six are enough to read everything"
    (dev.directory / "disks" / "3").rename(dev.directory / "gone-3")
    until(lambda: get(f"{dev.admin}/readyz") == (503, b"3 disks can be used, 4 are needed\n"))
    for number in (1, 2, 3):
        (dev.directory / "disks" / str(number)).mkdir()
    until(lambda: get(f"{dev.admin}/readyz")[0] == 200)
    until(lambda: (found := dev.settled()) and {d["location"]: d["uuid"] for d in found["disks"]}["disks/1"] != old["disks/1"])


SMALL = ("--scheme", "1+1", "--disks", "2", "--workers", "1", "--datanodes", "1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_whatever_stops_it_the_next_start_goes_on(tmp_path, number):
    first = Dev(tmp_path / "data", *SMALL)
    try:
        first.wait_ready()
        status = first.status()
        pids = [process["pid"] for process in status["processes"]]
        first.process.send_signal(number)
        assert first.process.wait(START_SECONDS) == (0 if number != signal.SIGKILL else -9)
        until(lambda: not any(_alive(pid) for pid in pids))
        if number == signal.SIGTERM:
            shutil.rmtree(tmp_path / "data" / "disks" / "1")
    finally:
        first.end()
    second = Dev(tmp_path / "data", *SMALL[4:])
    try:
        second.wait_ready()
        again = until(second.settled)
        assert again["cluster_id"] == status["cluster_id"]
        assert again["disks"][0]["uuid"] == status["disks"][0]["uuid"]
        assert (again["disks"][1]["uuid"] == status["disks"][1]["uuid"]) is (number != signal.SIGTERM)
    finally:
        second.end()


def _alive(pid):
    """Zombies that nobody waits for do not count."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def test_keys_of_the_environment_are_neither_shown_nor_kept(tmp_path):
    keys = {"DOLMEN_ROOT_ACCESS_KEY_ID": "GIVENACCESSKEY", "DOLMEN_ROOT_SECRET_ACCESS_KEY": "GIVENSECRETKEY0123456789"}
    dev = Dev(tmp_path / "data", *SMALL, env=keys)
    try:
        dev.wait_ready()
        assert "GIVENSECRETKEY0123456789" not in "\n".join(dev.lines)
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(START_SECONDS) == 0
    finally:
        dev.end()
    kept = [path for path in dev.directory.rglob("*") if path.is_file() and b"GIVENSECRETKEY" in path.read_bytes()]
    assert kept == []
