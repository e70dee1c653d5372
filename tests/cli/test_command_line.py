"""Bad use is one line on standard error and exit code 2; help is quick."""

import json
import re
import subprocess
import sys

import pytest

from dolmen.cli.main import run

BAD_USE = {
    "unknown command": ["melt"],
    "unknown option": ["dev", "DIR", "--colour", "red"],
    "no directory": ["dev"],
    "scheme": ["dev", "DIR", "--scheme", "4-2"],
    "scheme without parity": ["dev", "DIR", "--scheme", "4+0"],
    "too few disks": ["dev", "DIR", "--disks", "5"],
    "disks": ["dev", "DIR", "--disks", "0"],
    "workers": ["dev", "DIR", "--workers", "many"],
    "more datanodes than disks": ["dev", "DIR", "--datanodes", "7"],
    "listen": ["dev", "DIR", "--listen", "nowhere"],
    "listen on a Unix socket": ["dev", "DIR", "--listen", "unix:s3.sock"],
    "admin port": ["dev", "DIR", "--admin-listen", "127.0.0.1:99999"],
    "accounts": ["dev", "DIR", "--accounts", "no-such-file.toml"],
    "log level": ["dev", "DIR", "--log-level", "loud"],
    "output": ["status", "--output", "poem"],
    "status of a directory without a cluster": ["status", "DIR"],
    "keys of no directory": ["kms", "list", "--directory"],
    "keys of a directory without a cluster": ["kms", "list", "--directory", "DIR"],
    "admin address": ["status", "--admin", "ftp://127.0.0.1"],
    "admin port of status": ["status", "--admin", "127.0.0.1:port"],
    "metadata of no directory": ["metadata", "check", "--directory"],
}


@pytest.mark.parametrize("arguments", BAD_USE.values(), ids=BAD_USE.keys())
def test_bad_use_is_one_line_and_exit_code_2(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code = run([str(tmp_path / "data") if each == "DIR" else each for each in arguments])
    output = capsys.readouterr()
    assert (code, output.out) == (2, "")
    assert re.fullmatch(r"dolmen: [^\n]{5,300}\n", output.err)
    assert not (tmp_path / "data" / "disks").exists(), "nothing was begun"


@pytest.mark.parametrize("server", ["datanode", "gateway", "maintenance", "kms list"])
def test_servers_are_started_by_name_and_refuse_bad_use_in_one_line(server):
    result = subprocess.run(
        [sys.executable, "-P", "-m", "dolmen.cli", *server.split(), "--no-such-option"], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"dolmen {server.split()[0]}: ")


def test_a_cluster_that_does_not_answer_is_one_line_and_exit_code_1(capsys):
    assert run(["status", "--admin", "http://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.startswith("dolmen: no cluster at http://127.0.0.1:1")


def test_version(capsys):
    assert run(["version"]) == 0
    assert re.match(r"dolmen \d+\.\d+", capsys.readouterr().out)


def test_help_names_every_command(capsys):
    assert run(["--help"]) == 0
    output = capsys.readouterr().out
    for name in ("dev", "kms", "status", "version", "datanode", "gateway", "maintenance"):
        assert re.search(rf"^  {name} +\S", output, re.MULTILINE)


def test_help_of_dev_names_every_setting(capsys):
    assert run(["dev", "--help"]) == 0
    output = capsys.readouterr().out
    for flag in ("--listen", "--admin-listen", "--disks", "--scheme", "--workers", "--accounts", "--region", "--domain"):
        assert flag in output


def test_the_command_itself_imports_little():
    code = "import sys, json, dolmen.cli.main; print(json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"rich", "uvicorn", "asyncio", "msgspec", "prometheus_client"} & set(json.loads(result.stdout))
