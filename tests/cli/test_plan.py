"""Which processes make up a cluster."""

from pathlib import Path

import pytest

from dolmen.cli.dev import plan as plan_module
from dolmen.cli.dev.options import DevOptions
from dolmen.cli.dev.plan import Role, plan
from dolmen.core.errors import ConfigError


def planned(*, disks=6, fds=(7, 8), **options):
    return plan(DevOptions(directory=Path("d"), **options), "c" * 32, disks, "4+2", fds, 9)


def values(spec, flag):
    return [spec.argv[at + 1] for at, word in enumerate(spec.argv) if word == flag]


def test_disks_are_shared_out_among_datanodes():
    specs = [spec for spec in planned(datanodes=4) if spec.role is Role.DATANODE]
    served = [values(spec, "--disk") for spec in specs]
    assert served == [["disks/0", "disks/4"], ["disks/1", "disks/5"], ["disks/2"], ["disks/3"]]
    assert [spec.disks for spec in specs] == [2, 2, 1, 1]


@pytest.mark.parametrize(("cores", "disks", "expected"), [(1, 6, 3), (4, 6, 4), (16, 6, 6)])
def test_one_datanode_for_each_core_within_the_bounds(monkeypatch, cores, disks, expected):
    monkeypatch.setattr(plan_module, "cores", lambda: cores)
    assert sum(spec.role is Role.DATANODE for spec in planned(disks=disks)) == expected


def test_more_datanodes_than_disks_are_refused():
    with pytest.raises(ConfigError, match="--datanodes 7"):
        planned(datanodes=7)


def test_maintenance_knows_every_datanode():
    specs = planned(datanodes=3)
    maintenance = next(spec for spec in specs if spec.role is Role.MAINTENANCE)
    listens = [values(spec, "--listen")[0] for spec in specs if spec.role is Role.DATANODE]
    assert values(maintenance, "--datanode") == listens
    assert values(maintenance, "--scheme") == ["4+2"]


def test_gateways_and_maintenance_have_the_keyring(monkeypatch):
    monkeypatch.delenv("DOLMEN_ENCRYPTION_KEY_FILE", raising=False)
    given = {spec.role: values(spec, "--encryption-key-file") for spec in planned()}
    assert given == {Role.DATANODE: [], Role.MAINTENANCE: ["encryption.key"], Role.GATEWAY: ["encryption.key"]}
    monkeypatch.setenv("DOLMEN_ENCRYPTION_KEY_FILE", "own.key")
    assert [values(spec, "--encryption-key-file") for spec in planned() if spec.role is not Role.DATANODE] == [[], [], []]


def test_each_worker_inherits_its_own_socket():
    gateways = [spec for spec in planned(domains=("s3.test", "s4.test"), region="eu-1") if spec.role is Role.GATEWAY]
    assert [(spec.listen_fd, values(spec, "--listen-fd")) for spec in gateways] == [(7, ["7"]), (8, ["8"])]
    assert values(gateways[0], "--domain") == ["s3.test", "s4.test"]
    assert values(gateways[0], "--region") == ["eu-1"]


def test_no_secret_is_on_a_command_line():
    assert not [word for spec in planned() for word in spec.argv if "secret" in word.lower()]


def test_no_datanode_has_more_disks_than_may_be_lost(monkeypatch):
    monkeypatch.setattr(plan_module, "cores", lambda: 1)
    served = [spec.disks for spec in planned() if spec.role is Role.DATANODE]
    assert sorted(served) == [2, 2, 2]
