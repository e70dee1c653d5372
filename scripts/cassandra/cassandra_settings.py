"""What a cluster is started with, and the files and command lines that follow from it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from cassandra_errors import WrongUse
from cassandra_jars import find_java

NATIVE_PORT, STORAGE_PORT = 9042, 7000
COMMITLOGS = ("batch", "group", "periodic")
PAXOS_VARIANTS = ("v1", "v2")
SIZES = (1, 3)
_SYNC: dict[str, dict[str, str]] = {
    "periodic": {"commitlog_sync_period": "10s"},
    "group": {"commitlog_sync_group_window": "2ms"},
    "batch": {},
}
# JMX listens on 127.0.0.1 whatever the node's address: its port follows from the net, below the kernel's own choices (32768).
_JMX_PORT_BASE, _JMX_NETS, _JMX_PORTS_OF_NET = 20_000, 3_000, 4
# Java 17 hides these packages; the server and nodetool reach into them by reflection.
_EXPORTS = (
    "java.base/jdk.internal.misc", "java.base/java.lang.ref", "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.management/com.sun.jmx.remote.security", "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server",
    "java.sql/java.sql", "jdk.unsupported/sun.misc",
)  # fmt: skip
_OPENS = (
    "java.base/java.lang", "java.base/java.lang.module", "java.base/java.lang.reflect", "java.base/java.io",
    "java.base/java.nio", "java.base/java.util", "java.base/jdk.internal.loader", "java.base/jdk.internal.math",
    "java.base/jdk.internal.module", "java.base/jdk.internal.ref", "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar", "java.base/sun.nio.ch", "jdk.management/com.sun.management.internal",
)  # fmt: skip
_LOGBACK = """<configuration><appender name="OUT" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>
%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder></appender>
<root level="${level:-INFO}"><appender-ref ref="OUT"/></root></configuration>"""


@dataclass(frozen=True)
class ClusterSettings:
    """``nodes``: 1 or 3; ``net``: the first three parts of the nodes' addresses, node N is ``net``.N; ``cache``: of the jars."""

    cache: str
    nodes: int = 1
    net: str = "127.0.0"
    commitlog: str = "periodic"
    paxos: str = "v2"
    load_test: bool = False  # 1 GiB of heap and the full JIT: starts more slowly, then runs faster
    quick_schema: bool = False  # tables are made in half the time, but a node that is killed soon after has lost them

    def __post_init__(self) -> None:
        parts = re.fullmatch(r"127\.(\d{1,3})\.(\d{1,3})", self.net)
        if parts is None or not all(int(part) <= 255 for part in parts.groups()):
            raise WrongUse(f"{self.net} is no net of loopback addresses: it is 127.x.y, and the nodes are 127.x.y.1 and so on")
        for name, given, known in (
            ("nodes", self.nodes, SIZES),
            ("commitlog", self.commitlog, COMMITLOGS),
            ("paxos", self.paxos, PAXOS_VARIANTS),
        ):
            if given not in known:
                raise WrongUse(f"{name} is one of {', '.join(map(str, known))}, not {given}")

    @classmethod
    def load(cls, directory: Path) -> Self | None:
        """Of the cluster that was started in ``directory``; None when none was."""
        try:
            return cls(**json.loads((directory / "cluster.json").read_text()))
        except FileNotFoundError:
            return None

    def save(self, directory: Path) -> None:
        (directory / "cluster.json").write_text(json.dumps(asdict(self)))

    @property
    def numbers(self) -> range:
        return range(1, self.nodes + 1)

    def address(self, node: int) -> str:
        return f"{self.net}.{node}"

    def jmx_port(self, node: int) -> int:
        _, second, third = map(int, self.net.split("."))
        return _JMX_PORT_BASE + (256 * second + third) % _JMX_NETS * _JMX_PORTS_OF_NET + node

    def ports(self, node: int) -> list[tuple[str, int]]:
        """Every address and port that the node listens on."""
        address = self.address(node)
        return [(address, NATIVE_PORT), (address, STORAGE_PORT), ("127.0.0.1", self.jmx_port(node))]


def write_configuration(settings: ClusterSettings, home: Path, node: int) -> None:
    """Write cassandra.yaml (JSON is YAML) and logback files of one node. The server refuses unknown keys."""
    address = settings.address(node)
    seeds = ",".join(map(settings.address, settings.numbers))
    provider = "org.apache.cassandra.locator.SimpleSeedProvider"
    values: dict[str, object] = {
        "cluster_name": "dolmen-test", "endpoint_snitch": "SimpleSnitch", "auto_bootstrap": False,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner", "num_tokens": 1,
        "initial_token": str(-(2**63) + (node - 1) * (2**64 // settings.nodes)),
        "listen_address": address, "rpc_address": address,
        "native_transport_port": NATIVE_PORT, "storage_port": STORAGE_PORT,
        "seed_provider": [{"class_name": provider, "parameters": [{"seeds": seeds}]}],
        "commitlog_sync": settings.commitlog, **_SYNC[settings.commitlog],
        "commitlog_segment_size": "16MiB",  # a mutation may be half as large: inline objects need room
        "auto_snapshot": False, "disk_access_mode": "standard", "key_cache_size": "0MiB",
        "memtable_allocation_type": "heap_buffers", "memtable_heap_space": "64MiB", "memtable_flush_writers": 1,
        "concurrent_reads": 8, "concurrent_writes": 8, "concurrent_compactors": 1,
        "memtable": {"configurations": {"trie": {"class_name": "TrieMemtable"}, "default": {"inherits": "trie"}}},
        "sstable": {"selected_format": "bti"}, "column_index_size": "4KiB", "uuid_sstable_identifiers_enabled": True,
        "storage_compatibility_mode": "NONE", "paxos_variant": settings.paxos,
        "read_request_timeout": "2000ms",  # as of writes: below the time-out of our sessions
    }  # fmt: skip
    (home / "conf").mkdir(parents=True, exist_ok=True)
    (home / "conf" / "cassandra.yaml").write_text(json.dumps(values, indent=1))
    (home / "conf" / "logback.xml").write_text(_LOGBACK)


def server_command(settings: ClusterSettings, home: Path, node: int) -> list[str]:
    """The command line of the server that lives in ``home``."""
    properties: dict[str, object] = {
        "cassandra.config": (home / "conf" / "cassandra.yaml").as_uri(), "cassandra.storagedir": home,
        "cassandra.jmx.local.port": settings.jmx_port(node), "cassandra-foreground": "yes",
        # Loopback peers answer at once: the pauses meant for real networks would only delay the start.
        "cassandra.skip_wait_for_gossip_to_settle": 0, "cassandra.ring_delay_ms": 1000,
        # Not 0: the node would spin, and log without end, while a peer is down.
        "cassandra.superuser_setup_delay_ms": 1000, "cassandra.shutdown_announce_in_ms": 0,
        "cassandra.test.flush_local_schema_changes": str(not settings.quick_schema).lower(),
        "cassandra.size_recorder_interval": 0, "chronicle.analytics.disable": "true",
        "jdk.attach.allowAttachSelf": "true", "io.netty.tryReflectionSetAccessible": "true",
        "java.net.preferIPv4Stack": "true", "java.io.tmpdir": home / "tmp",
    }  # fmt: skip
    heap = ["-Xms1g", "-Xmx1g"] if settings.load_test else ["-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1"]
    agent = next(Path(settings.cache, "lib").glob("jamm-*.jar"))
    options = [*heap, "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", f"-javaagent:{agent}"]
    options += [f"-D{name}={value}" for name, value in properties.items()]
    return [*_java(settings, home, options), "org.apache.cassandra.service.CassandraDaemon"]


def nodetool_command(settings: ClusterSettings, home: Path, node: int, words: list[str]) -> list[str]:
    """The command line of nodetool with ``words``, for the node that lives in ``home``."""
    where = ["-h", "127.0.0.1", "-p", str(settings.jmx_port(node))]
    options = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dlevel=WARN"]
    return [*_java(settings, home, options), "org.apache.cassandra.tools.NodeTool", *where, *words]


def _java(settings: ClusterSettings, home: Path, options: list[str]) -> list[str]:
    """Java with the module flags and the class path that server and nodetool share."""
    modules = [f"--add-exports={name}=ALL-UNNAMED" for name in _EXPORTS] + [f"--add-opens={name}=ALL-UNNAMED" for name in _OPENS]
    return [find_java(), *modules, *options, "-cp", f"{home / 'conf'}:{settings.cache}/lib/*"]
