"""Maintenance processes (in this one) over the real datanodes, metadata and object layer of the gateway's tests."""

import asyncio
import importlib.util
import os
from pathlib import Path

import msgspec
import pytest

from dolmen.datanode.client import DatanodeError
from dolmen.gateway.maintenance import repair
from dolmen.gateway.maintenance.app import Maintenance, arguments_of
from dolmen.gateway.maintenance.report import ClusterReport

_spec = importlib.util.spec_from_file_location("gateway_cluster", Path(__file__).parents[1] / "gateway" / "conftest.py")
_gateway = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_gateway)

PATIENCE_SECONDS = 20
POLL_SECONDS = 0.02


class Running:
    """Maintenance processes and the cluster they look after."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.tasks = {}

    def make(self, *options):
        fixed = ["--metadata", "embedded:metadata.db", "--cluster-id", _gateway.CLUSTER, "--cluster-key-file", "key"]
        nodes = [word for number in range(2) for word in ("--datanode", f"unix:n{number}.sock")]
        admin = f"unix:m{len(self.tasks)}.sock"
        small = ("--fragment-bytes", "65536", "--min-fragment-bytes", "32768")
        return Maintenance(arguments_of([*fixed, *nodes, "--admin-listen", admin, *small, *options]))

    def start(self, *options):
        maintenance = self.make(*options)
        stop = asyncio.Event()
        self.tasks[maintenance] = (asyncio.create_task(maintenance.run(stop)), stop)
        return maintenance

    async def stop(self, maintenance):
        task, stop = self.tasks.pop(maintenance)
        stop.set()
        await task

    async def kill(self, maintenance):
        """As far as others see: no lease is given back."""

        async def nothing():
            pass

        maintenance.leadership.release = nothing
        await self.stop(maintenance)

    async def check_disks(self):
        for node in self.cluster.nodes:
            await node.check_disks()

    async def report(self, maintenance):
        return msgspec.json.decode(await maintenance.status(), type=ClusterReport)

    async def until(self, maintenance, condition):
        """The first report that satisfies ``condition``."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await maintenance.started.wait()
            while True:
                task = self.tasks[maintenance][0]
                if task.done():
                    await task
                report = await self.report(maintenance)
                if condition(report):
                    return report
                await asyncio.sleep(POLL_SECONDS)

    async def settled(self, maintenance):
        """Everything is whole, says the report."""
        return await self.until(
            maintenance,
            lambda report: report.under_replicated.exact
            and report.under_replicated.stripes == report.groups.degraded == 0
            and report.groups.total > 0,
        )

    async def reconnected(self):
        """The gateway's client found the datanodes again after they were started again."""
        cluster = self.cluster
        async with asyncio.timeout(PATIENCE_SECONDS):
            for number in range(2):
                while True:
                    try:
                        await cluster.client.status(f"unix:n{number}.sock")
                        break
                    except DatanodeError:
                        await asyncio.sleep(POLL_SECONDS)

    async def write(self, *sizes):
        objects = {b"%d" % size: os.urandom(size) for size in sizes}
        for key, data in objects.items():
            await self.cluster.write(key, data)
        return objects


@pytest.fixture
async def bare(tmp_path, monkeypatch):
    """Datanodes and a metadata file, but no map yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(repair, "YOUNG_SECONDS", 0.0)
    cluster = _gateway.Cluster(tmp_path)
    (tmp_path / "key").write_bytes(_gateway.KEY)
    await cluster.store.open()
    await cluster.store.create_bucket(cluster.bucket)
    made = Running(cluster)
    yield made
    for maintenance in list(made.tasks):
        await made.stop(maintenance)
    await cluster.stop()


@pytest.fixture
async def running(bare):
    """Six empty disks in a map that maintenance published; one maintenance process leads."""
    await bare.cluster.start_nodes()
    bare.leader = bare.start()
    await bare.settled(bare.leader)
    await bare.cluster.view.refresh()
    return bare
