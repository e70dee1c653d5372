"""Clusters start, end and are found again: with programs that only pretend, so that everything but Kubernetes is real."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import kube_guard
import kube_lifecycle
import kube_process
import kube_shared
import pytest
from cassandra_guard import write_state
from kube_cluster import Cluster
from kube_errors import CommandFailed, KubeToolError, WrongUse
from kube_lifecycle import down, status_lines, up
from kube_plan import ClusterPlan
from kube_pretended import write_programs
from kube_process import Processes, free_ports, run, started_at
from kube_shared import SharedCluster, own_cluster

WAIT_SECONDS = 60.0
LINGER_SECONDS = 0.3
PROGRAM = Path(kube_lifecycle.__file__).parent
PATHS = os.pathsep.join(str(Path(module.__file__).parent) for module in (kube_guard, kube_lifecycle))
CORE = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
PLAN = ClusterPlan(fake_nodes=3)
USER = f"""
import sys, time
from pathlib import Path
from kube_plan import ClusterPlan
from kube_shared import SharedCluster
shared = SharedCluster(Path(sys.argv[1]), "harness", ClusterPlan(fake_nodes=3), {LINGER_SECONDS})
print(shared.wait()["root"], flush=True)
time.sleep(600)
"""


@pytest.fixture
def assets(tmp_path, monkeypatch):
    directory = write_programs(tmp_path / "assets")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(directory))
    return directory


def wait_until(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.02)


def command(*arguments, **environment):
    words = [sys.executable, PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **environment})


def test_a_cluster_is_found_again_and_ended_by_the_command(tmp_path, assets):
    root = tmp_path / "cluster"
    started = command("up", "--dir", root, "--fake-nodes", 3)
    try:
        assert started.stderr == ""
        assert f"export KUBECONFIG={root}/kubeconfig PATH={assets}:$PATH\n" in started.stdout
        cluster = Cluster.load(root)
        pids = {name: cluster.processes.pid(name) for name in cluster.processes.names()}
        assert list(pids) == [*CORE, "zone-a", "zone-b", "zone-c"]
        assert all(pids.values())
        assert command("zone", "cut", "b", "--dir", root).returncode == 0
        assert "zone-b" not in cluster.processes.names()
        assert cluster.processes.pid("zone-a") == pids["zone-a"]
        told = command("status", "--dir", root).stdout.splitlines()
        assert told[0] == "level a: 3 fake nodes in zones a,b,c"
        assert f"etcd: {pids['etcd']}" in told
    finally:
        ended = command("down", "--dir", root)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [pid for pid in pids.values() if started_at(pid)] == []
    assert (root / "pki" / "ca.crt").exists()  # data stays
    assert command("down", "--dir", root).returncode == 2


def test_a_second_start_ends_the_first(tmp_path, assets):
    with own_cluster(tmp_path / "c", ClusterPlan()) as first:
        before = first.processes.pid("etcd")
        second = up(tmp_path / "c", ClusterPlan())
        assert started_at(before) is None
        assert second.processes.pid("etcd")


def test_a_server_that_ends_is_told_at_once_and_nothing_is_left(tmp_path, assets):
    (assets / "fail").write_text("connection refused\n")
    (assets / "end-kube-apiserver").write_text("Error: unknown flag: --x\n")
    root = tmp_path / "cluster"
    with pytest.raises(KubeToolError, match=r"kube-apiserver ended: Error: unknown flag: --x; see .*kube-apiserver.log$"):
        up(root, ClusterPlan())
    assert Processes(root).names() == []
    assert ClusterPlan.load(root) is None
    assert (root / "logs" / "kube-apiserver.log").exists()


def test_a_server_that_is_late_is_told_with_its_last_answer(tmp_path, assets):
    with own_cluster(tmp_path / "c", ClusterPlan()) as cluster:
        (assets / "fail").write_text("connection refused\n")
        told = r"^the end: not within 0 s; last answer: kubectl: connection refused \(exit 1\); logs in"
        with pytest.raises(KubeToolError, match=told):
            cluster.wait_for("the end", "get", "x", seconds=0.0)


def test_programs_that_are_missing_are_told_before_anything_starts(tmp_path, assets, monkeypatch):
    (assets / "kube-scheduler").unlink()
    with pytest.raises(KubeToolError, match="which has no kube-scheduler"):
        up(tmp_path / "c", ClusterPlan())
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(KubeToolError, match=r"not installed: openssl, setpriv; scripts/install_kubernetes_tools.sh a"):
        up(tmp_path / "c", ClusterPlan())
    assert ClusterPlan.load(tmp_path / "c") is None


def test_fake_nodes_are_applied_and_waited_for(tmp_path, assets):
    with own_cluster(tmp_path / "c", PLAN):
        calls = (assets / "calls").read_text().splitlines()
    assert [call.split("/kubectl ")[1].split(" --")[0] for call in calls[-3:]] == ["apply", "apply", "wait"]
    assert calls[-1].endswith("--for=condition=Ready --timeout=120s node/fake-1 node/fake-2 node/fake-3")


def test_a_cluster_dies_with_the_process_that_owns_it(tmp_path, assets):
    code = "import sys, time; from pathlib import Path; from kube_shared import own_cluster; from kube_plan import ClusterPlan\n"
    code += "with own_cluster(Path(sys.argv[1]), ClusterPlan()):\n    print('ready', flush=True)\n    time.sleep(600)"
    words = [sys.executable, "-c", code, str(tmp_path / "c")]
    owner = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PATHS})
    with owner:
        assert owner.stdout.readline() == "ready\n"
        processes = Processes(tmp_path / "c")
        pids = [processes.pid(name) for name in processes.names()]
        assert len(pids) == 4
        owner.kill()
    wait_until(lambda: not any(started_at(pid) for pid in pids), "processes are gone")


def test_a_process_whose_parent_is_gone_before_it_can_ask_does_not_start(tmp_path, monkeypatch):
    """The kernel tells only of parents that die after the request."""
    monkeypatch.setattr(kube_process.os, "getpid", lambda: 1)
    processes = Processes(tmp_path, die_with_parent=True)
    processes.start("orphan", ["sh", "-c", "echo started; exec sleep 600"])
    wait_until(lambda: processes.pid("orphan") is None, "it has ended")
    assert processes.last_words("orphan") == "it said nothing"
    processes.stop(["orphan"])


def test_the_shared_cluster_lives_as_long_as_one_of_its_users(tmp_path, assets):
    """Two that are killed; the third process, the guard, ends it."""
    directory = tmp_path / "shared"
    users = [
        subprocess.Popen(
            [sys.executable, "-c", USER, str(directory)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": PATHS}
        )
        for _ in range(2)
    ]
    try:
        assert {user.stdout.readline().strip() for user in users} == {str(directory / "cluster")}
        processes = Processes(directory / "cluster")
        pids = [processes.pid(name) for name in processes.names()]
        assert len(pids) == 7
        assert all(pids)
        users[0].kill()
        time.sleep(4 * LINGER_SECONDS)
        assert all(map(started_at, pids))
        users[1].kill()
        wait_until(lambda: not directory.exists(), "the guard has removed the cluster")
        assert not any(map(started_at, pids))
    finally:
        for user in users:
            user.kill()
            user.wait()
            user.stdout.close()


def test_a_shared_cluster_that_fails_says_why_and_may_be_asked_again(tmp_path, assets):
    (assets / "end-etcd").write_text("no space left\n")
    (assets / "fail").write_text("refused\n")
    shared = SharedCluster(tmp_path / "shared", "harness", ClusterPlan(), LINGER_SECONDS)
    try:
        with pytest.raises(KubeToolError, match="Kubernetes for tests: etcd ended: no space left"):
            shared.wait()
        (assets / "end-etcd").unlink()
        (assets / "fail").unlink()
        root = Path(shared.wait()["root"])
        assert Processes(root).pid("etcd")
    finally:
        shared.release()
    wait_until(lambda: not (tmp_path / "shared").exists(), "the guard has ended the cluster")


def test_a_guard_that_failed_between_two_looks_is_not_started_again(tmp_path, monkeypatch):
    """Its word must not be lost, or the waiting would never end."""
    directory, started = tmp_path / "shared", []

    class Guard:
        returncode = None

        def __init__(self, *_, **__):
            started.append(threading.Timer(0.02, write_state, (directory, {"failed": "no memory"})))
            started[-1].start()

    monkeypatch.setattr(kube_shared.subprocess, "Popen", Guard)
    monkeypatch.setattr(kube_shared, "START_SECONDS", 3.0)
    shared = SharedCluster(directory, "harness", ClusterPlan(), LINGER_SECONDS)
    try:
        with pytest.raises(KubeToolError, match="Kubernetes for tests: no memory"):
            shared.wait()
        assert len(started) == 1
    finally:
        shared.release()
        for timer in started:
            timer.join()


def test_what_a_killed_guard_left_is_ended_by_the_next(tmp_path, assets):
    root = tmp_path / "cluster"
    pid = up(root, ClusterPlan()).processes.pid("etcd")
    kube_guard.end_left_over(root)
    assert started_at(pid) is None
    assert not root.exists()


def test_another_process_of_the_same_number_is_never_signalled(tmp_path):
    processes = Processes(tmp_path)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        (tmp_path / "pids").mkdir()
        (tmp_path / "pids" / "etcd").write_text(json.dumps({"pid": bystander.pid, "started_at": "1"}))
        assert processes.pid("etcd") is None
        processes.stop(["etcd"])
        assert bystander.poll() is None
        assert processes.names() == []
    finally:
        bystander.kill()
        bystander.wait()


def test_what_does_not_end_when_asked_is_killed(tmp_path):
    processes = Processes(tmp_path)
    processes.start("deaf", ["sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.1; done"])
    wait_until(lambda: processes.last_words("deaf") == "on", "it ignores the request")
    pid = processes.pid("deaf")
    processes.stop(["deaf"], grace_seconds=0.2)
    assert started_at(pid) is None


def test_a_program_that_fails_is_told_in_one_line():
    with pytest.raises(CommandFailed, match=r"^sh: two \(exit 4\)$") as failed:
        run("sh", "-c", "echo one >&2; echo two >&2; exit 4")
    assert failed.value.stderr == "one\ntwo\n"
    assert run("sh", "-c", "echo x; exit 4", check=False) == "x\n"
    with pytest.raises(KubeToolError, match="dolmen-none is not installed"):
        run("dolmen-none")
    with pytest.raises(KubeToolError, match="sleep did not end within 0 s"):
        run("sleep", "9", timeout_seconds=0.05)


def test_ports_of_one_cluster_differ():
    ports = free_ports(20)
    assert len(set(ports)) == 20


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["node", "cut", "node-1"], "no cluster was started in"),
        (["up", "--zones", "a,a"], "zones are different names"),
        (["up", "--level", "b"], "invalid choice: 'b'"),
        (["build", "kubeadm"], "there is no program kubeadm"),
        (["build", "a", "--jobs", "0"], "--jobs is 1 to"),
        (["expose", "nowhere"], "nowhere is no HOST:PORT"),
        (["build-image", "x.tar", "--name", "n", "--layer", "/nonexistent"], "there is no /nonexistent"),
        ([], "are required: COMMAND"),
        (["fly"], "invalid choice"),
    ],
)
def test_wrong_use_costs_one_line_and_exit_code_2(tmp_path, words, told):
    where = ["--dir", tmp_path] if words and words[0] in {"node", "up", "expose"} else []
    done = command(*words, *where, HOME="/nonexistent")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("kubernetes: ")
    assert told in done.stderr


def test_real_nodes_are_refused_where_there_are_none(tmp_path, assets):
    cluster = up(tmp_path, ClusterPlan())
    try:
        done = command("node", "freeze", "node-1", "--dir", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "has no real nodes: start it with --level c" in done.stderr
        assert status_lines(cluster)[0] == "level a: no nodes"
    finally:
        down(tmp_path)
    with pytest.raises(WrongUse, match="no cluster was started"):
        down(tmp_path)


def test_programs_of_the_user_are_not_compiled(tmp_path, assets):
    done = command("build", "c", DOLMEN_KUBERNETES_CACHE=str(tmp_path / "cache"), PATH="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("/bin\n")


def test_an_image_is_built_by_the_command(tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").touch()
    output = tmp_path / "app.tar"
    layer = f"{tmp_path / 'app'}:/opt/app"
    settings = ("--env", "A=1", "--entrypoint", "python3 -m main")
    done = command("build-image", output, "--name", "localhost/app:dev", "--layer", layer, *settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert output.stat().st_size > 0


def test_interrupted_is_told(tmp_path, assets):
    """Ctrl-C while it waits: everything that was started is ended."""
    (assets / "fail").write_text("refused\n")
    root = tmp_path / "c"
    process = subprocess.Popen([sys.executable, PROGRAM, "up", "--dir", root], stderr=subprocess.PIPE, text=True)
    with process:
        wait_until(lambda: Processes(root).pid("kube-apiserver"), "it waits for the API server")
        processes = Processes(root)
        pids = [processes.pid(name) for name in processes.names()]
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "kubernetes: interrupted\n"
    assert process.returncode == 1
    assert not any(started_at(pid) for pid in pids if pid)
