"""Real S3 clients, each as a person would run it: a process of its own, default settings, nothing of this machine's set-up.

scripts/install_clients.py installs them. One that is not there fails its tests with a line that says what to do.
"""

import importlib.util
import itertools
import os
import random
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from dev_server import REGION, ROOT

HERE = Path(__file__).resolve().parent
INSTALLER = HERE.parent.parent / "scripts" / "install_clients.py"
COMMAND_SECONDS = 120.0  # a hanging client is a failure; a slow machine is not
BIG_BYTES = 20 * 1024 * 1024  # above every client's default threshold for multipart but rclone's (200 MiB)
ODD_NAMES = (
    "plain.txt",
    "with space.txt",
    "plus+sign.txt",
    "percent%20literal.txt",
    "and&equals=semicolon;at@comma,.txt",
    "question?hash#.txt",
    "paren(1)'quote'!.txt",
    "ünïcode-€-日本-😀.txt",
)
_NUMBERS = itertools.count()


def pytest_configure(config):
    config.addinivalue_line("markers", "clients: runs a real S3 client that scripts/install_clients.py installs")


def _installer():
    spec = importlib.util.spec_from_file_location("install_clients", INSTALLER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _missing(name):
    pytest.fail(f"{name} is not installed, a client test needs it; run: scripts/install_clients.py {name}", pytrace=False)


class Client:
    """Runs one client's programs in an environment that holds nothing but what it is given."""

    programs = HERE / "programs"

    def __init__(self, name, home, endpoint):
        installer = _installer()
        self.home = home
        self.endpoint = endpoint
        self.path = "/usr/local/bin:/usr/bin:/bin"
        self.installed = None  # the directory of what is installed for this client alone
        self.program = None  # the path of Debian's program, which PATH may hide
        if name in installer.SLOW_DEBIAN_PACKAGES:
            self.program = installer.program_of_debian(name) or _missing(name)
        elif name in installer.DEBIAN_PACKAGES:
            if shutil.which(name, path=self.path) is None:
                _missing(name)
        else:
            self.installed = installer.environment_of(name)
            if not installer.is_complete(self.installed):
                _missing(name)
            self.path = f"{self.installed / 'bin'}:{self.path}"
        self.environment = {
            "PATH": self.path,
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": ROOT[0],
            "AWS_SECRET_ACCESS_KEY": ROOT[1],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def run(self, *arguments, exit_code=0, with_log=False, **environment):
        """Run a command; its standard output as text, or all that it printed. ``exit_code``: what it must end with."""
        command = [str(argument) for argument in arguments]
        done = subprocess.run(
            command,
            cwd=self.home,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        out, errors = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        if done.returncode != exit_code:
            pytest.fail(f"{' '.join(command)}: exit {done.returncode}\n{out[-4000:]}\n{errors[-4000:]}", pytrace=False)
        return out + errors if with_log else out

    def step(self, program, step, bucket):
        """One function of programs/PROGRAM.py in this client's Python: (endpoint, bucket, a directory to work in)."""
        work = self.home / f"{program}-{step}"
        work.mkdir()
        return self.run("python", self.programs / f"{program}.py", step, self.endpoint, bucket, work)


@pytest.fixture
def client(tmp_path, server):
    """``client("rclone")``: a Client with a home directory of its own."""

    def make(name):
        home = tmp_path / f"home-{name}"
        home.mkdir()
        return Client(name, home, server.endpoint)

    return make


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """A directory to upload, not to be written to: odd names, an empty file, a file of 20 MiB, some depth."""
    root = tmp_path_factory.mktemp("samples")
    made = random.Random(20)
    for name in ODD_NAMES:
        (root / name).write_bytes(made.randbytes(1000))
    (root / "empty").touch()
    (root / "big.bin").write_bytes(made.randbytes(BIG_BYTES))
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "one.bin").write_bytes(made.randbytes(100_000))
    (root / "deep" / "er" / "two words.bin").write_bytes(made.randbytes(300_000))
    return root


@pytest.fixture(scope="session")
def same_trees():
    """``same_trees(a, b)``: the directories hold the same files with the same bytes."""

    def files(root):
        return {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}

    def check(expected, found):
        left, right = files(expected), files(found)
        assert sorted(left) == sorted(right)
        assert [name for name in left if left[name].read_bytes() != right[name].read_bytes()] == []

    return check


@pytest.fixture
def new_bucket():
    """A name for a bucket that the client makes itself."""
    return f"clients-{os.getpid()}-{next(_NUMBERS)}"


@pytest.fixture(scope="session")
def fetch():
    """Get a URL without any S3 client: the body."""

    def get(url):
        with urllib.request.urlopen(url.strip(), timeout=60) as answer:
            return answer.read()

    return get


@pytest.fixture(scope="session")
def keys_of(s3):
    """The keys of a bucket under a prefix, as the store lists them."""

    def listed(bucket, prefix=""):
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    return listed
