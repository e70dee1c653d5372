"""What a row costs the metadata cluster: read from metrics, divided by requests, merged, compared and shown."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import textwrap
import threading

import prometheus_client
import pytest
from bench import listing, metadata, objects, result, table
from bench.cluster import Nodes
from bench.control import ControlFailed, Endpoint
from bench.metadata import NOT_COUNTED, Counts, Metadata, counts_now, statements_in
from bench.options import parse, wanted
from bench.processes import Spent
from bench.row import Bench, Row, Watch, merge, row_from, row_of
from bench.server import Server
from sample_results import FLOORS, outcome, saved

from dolmen.cli.dev.metrics_merge import Merger
from dolmen.gateway.metadata.cassandra import statement_metrics
from dolmen.gateway.metadata.cassandra.address import parse_address
from dolmen.gateway.metadata.cassandra.cql import Kind

PAGE = """# HELP dolmen_metadata_statements_total Statements sent to the metadata cluster
# TYPE dolmen_metadata_statements_total counter
dolmen_metadata_statements_total{kind="read"} 30.0
dolmen_metadata_statements_total{kind="cas"} 1.2e+01
# TYPE dolmen_metadata_statements_created gauge
dolmen_metadata_statements_created{kind="read"} 1.7e+09
# TYPE dolmen_metadata_statement_failures_total counter
dolmen_metadata_statement_failures_total{kind="read",outcome="unknown"} 500.0
# TYPE dolmen_metadata_statements_in_flight gauge
dolmen_metadata_statements_in_flight 7.0
"""
URL = "cassandra://127.0.0.1/dolmen"
NAMES = [name for name, _ in (*objects.object_rows(), *listing.listing_rows())]


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_statements_of_all_kinds_are_summed_and_nothing_else():
    assert statements_in(PAGE) == 42.0


@pytest.mark.parametrize("page", ["", PAGE.replace("statements_total", "answers_total")])
def test_a_page_without_the_counter_tells_nothing(page):
    assert statements_in(page) is None


def test_the_counter_is_the_drivers_and_processes_are_summed():
    """As it goes in ``dolmen dev``: pages of its processes, merged into one."""

    def now():
        page = prometheus_client.generate_latest().decode()
        return statements_in(Merger().merge({"gateway-0": (1, page), "gateway-1": (2, page)}).decode())

    before = now()
    statement_metrics.SENT[Kind.READ].inc(3)
    statement_metrics.SENT[Kind.CAS].inc()
    statement_metrics.UNKNOWN[Kind.CAS].inc()
    assert now() - before == 2 * 4


@contextlib.contextmanager
def admin_address(pages):
    """Serves one page after the other; 404 when there are no more."""
    left = iter(pages)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            page = next(left, None) if self.path == "/metrics" else None
            self.send_response(404 if page is None else 200)
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_scrape_that_fails_is_no_figure_and_no_error():
    with admin_address([PAGE]) as admin:
        assert counts_now(admin, ()) == Counts(42.0, None)
        assert counts_now(admin, ()) == NOT_COUNTED  # 404
    assert counts_now(admin, ()) == NOT_COUNTED  # nobody is there


def test_cpu_of_the_nodes_is_that_of_their_processes():
    first = counts_now(None, [os.getpid()])
    sum(range(3_000_000))
    assert 0 < counts_now(None, [os.getpid()]).since(first).nodes_cpu_seconds < 60


# ---- rows ------------------------------------------------------------------------------------------------------------


def server_on(admin, cluster):
    return Server(Endpoint("127.0.0.1", 1, "id", "secret"), 0, None, admin=admin, metadata=cluster)


def bench_on(server, tmp_path):
    return Bench(
        server=server, seconds=1.0, quick=True, nonce="n", bucket="b", workdir=tmp_path, progress=lambda _: None
    )


def test_a_row_has_the_statements_between_its_begin_and_its_end(tmp_path):
    pages = [PAGE, PAGE.replace(" 30.0", " 90.0")]
    with admin_address(pages) as admin:
        watch = Watch(bench_on(server_on(admin, Metadata(URL)), tmp_path))
        watch.begin()
        row = row_of("x", outcome(requests=20), watch)
    assert (row.statements, row.nodes_cpu_ms) == (3.0, None)


def test_a_server_with_embedded_metadata_is_not_asked(tmp_path):
    with admin_address([PAGE, PAGE]) as admin:
        watch = Watch(bench_on(server_on(admin, None), tmp_path))
        watch.begin()
        row = row_of("x", outcome(requests=20), watch)
        assert counts_now(admin, ()).statements == 42.0  # both pages are left
        assert counts_now(admin, ()).statements == 42.0
    assert (row.statements, row.nodes_cpu_ms) == (None, None)


def test_what_the_cluster_did_is_divided_by_successes_and_apart_from_the_server():
    used = Spent(0.5, {}, {}, 0, restarted=False)
    row = row_from("x", outcome(requests=100, errors={"503": 7}), used, Counts(250.0, 1.5))
    assert (row.statements, row.nodes_cpu_ms, row.cpu_ms) == (2.5, 15.0, 5.0)
    uploads = row_from("x", outcome(requests=100), used, Counts(250.0, 1.5), operations=10)
    assert (uploads.statements, uploads.nodes_cpu_ms) == (25.0, 150.0)
    nothing = row_from("x", outcome(errors={"503": 7}), used, Counts(250.0, 1.5))
    assert (nothing.statements, nothing.nodes_cpu_ms) == (None, None)


def test_the_nodes_are_no_other_programs(tmp_path):
    watch = Watch(bench_on(server_on(None, None), tmp_path), begin_seconds=2.0, busy_seconds=3.0, cluster=Counts(1.0, 1.5))
    used = Spent(0.5, {}, {}, 0, restarted=False)
    assert watch.other_cores(used, outcome(cpu_seconds=0.25)) == pytest.approx((3.0 - 0.5 - 0.25 - 1.5) / 2.0)
    watch.cluster = NOT_COUNTED
    assert watch.other_cores(used, outcome(cpu_seconds=0.25)) == pytest.approx((3.0 - 0.5 - 0.25) / 2.0)


# ---- several passes, earlier runs, tables ----------------------------------------------------------------------------


def test_passes_merge_to_medians_of_statements_and_of_the_nodes():
    rows = [Row(name="x", requests=1, statements=sent, nodes_cpu_ms=cpu) for sent, cpu in ((7.0, 9.0), (6.0, 30.0), (6.5, None))]
    merged = merge(rows)
    assert (merged.statements, merged.nodes_cpu_ms) == (6.5, 19.5)
    embedded = merge([Row(name="x", requests=1), Row(name="x", requests=1)])
    assert (embedded.statements, embedded.nodes_cpu_ms) == (None, None)


def test_a_run_is_saved_with_what_the_cluster_did_and_compared(tmp_path):
    then = result.load(saved(tmp_path, [Row(name="a", rate=10.0, statements=8.0, nodes_cpu_ms=4.0)]))
    assert (then.rows[0].statements, then.rows[0].nodes_cpu_ms) == (8.0, 4.0)
    now = result.Result(FLOORS, [Row(name="a", rate=10.0, statements=6.0, nodes_cpu_ms=5.0)], {}, {})
    (ratio,) = result.compare(now, then)
    assert (ratio.statements, ratio.nodes_cpu) == (0.75, 1.25)
    lines = table.compare_table([ratio], now, then).splitlines()
    assert lines[0].split()[-8:] == ["rate", "p50", "p99", "CPU", "stmts", "nodes", "CPU", "RSS"]
    assert lines[-1].split() == ["a", "1.00", "-", "-", "-", "0.75", "1.25", "-"]


def test_a_run_saved_before_there_were_such_figures_is_compared_without_them(tmp_path):
    path = saved(tmp_path, [Row(name="a", rate=10.0, cpu_ms=2.0)])
    raw = json.loads(path.read_text())
    for row in raw["rows"]:
        del row["statements"], row["nodes_cpu_ms"]
    path.write_text(json.dumps(raw))
    then = result.load(path)
    now = result.Result(FLOORS, [Row(name="a", rate=15.0, cpu_ms=1.0, statements=6.0, nodes_cpu_ms=5.0)], {}, {})
    (ratio,) = result.compare(now, then)
    assert (ratio.rate, ratio.cpu, ratio.statements, ratio.nodes_cpu) == (1.5, 0.5, None, None)
    text = table.compare_table([ratio], now, then)
    assert "nodes CPU" not in text
    assert text.splitlines()[-1].split() == ["a", "1.50", "-", "-", "0.50", "-"]


def test_columns_of_the_cluster_are_shown_when_there_is_one():
    embedded = table.rows_table([Row(name="a", rate=1.0)])
    assert "stmts" not in embedded
    text = table.rows_table([Row(name="a", rate=1.0, cpu_ms=3.25, statements=6.125, nodes_cpu_ms=8.5), Row(name="b", skipped="no")])
    assert "stmts  nodes CPU ms" in text.splitlines()[0]
    assert text.splitlines()[1].split()[7:10] == ["3.25", "6.12", "8.50"]
    assert "b: no" in text


# ---- the command line, and lists -------------------------------------------------------------------------------------


def test_lists_of_a_million_keys_are_filled_in_cassandra_only_when_asked_for():
    for argv in (["--metadata-nodes", "1"], ["--metadata", URL]):
        chosen = [name for name in NAMES if wanted(parse(argv), name)]
        assert set(NAMES) - set(chosen) == {name for name in NAMES if name.startswith("LIST 10^6")}
        assert wanted(parse([*argv, "--only", "LIST"]), "LIST 10^6 page @1")


@pytest.mark.parametrize(
    "argv",
    [
        ["--metadata-nodes", "2"],
        ["--metadata", "embedded:x"],
        ["--metadata", "cassandra://host/Not-A-Keyspace"],
        ["--metadata", URL, "--metadata-nodes", "1"],
        ["--metadata-nodes", "1", "--endpoint", "127.0.0.1:9000"],
        ["--metadata-nodes", "1", "--data-dir", "x"],
        ["--metadata", URL, "--passes", "2"],
    ],
)
def test_metadata_that_cannot_be_there_are_one_line_and_2(capsys, argv):
    with pytest.raises(SystemExit) as stopped:
        parse(argv)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_metadata_are_embedded_unless_they_are_asked_for_elsewhere():
    assert not parse([]).on_cassandra
    assert parse(["--metadata", URL, "--data-dir", "x", "--passes", "2"]).on_cassandra
    assert parse(["--metadata-nodes", "3", "--passes", "2"]).on_cassandra


@pytest.mark.parametrize("count", [1, 3])
def test_a_keyspace_has_a_copy_on_each_node(count):
    hosts = tuple(f"127.0.9.{number + 1}" for number in range(count))
    address = parse_address(Nodes(hosts, ()).url("bench_1"))
    assert [host for host, _ in address.contact_points] == list(hosts)
    assert (address.keyspace, address.replication_min) == ("bench_1", count)


def test_a_bucket_is_filled_where_the_metadata_are(tmp_path):
    on_cassandra = bench_on(server_on(None, Metadata(URL)), tmp_path)
    assert listing.filling(on_cassandra) == ["bench.fill_cassandra", URL]
    endpoint = Endpoint("127.0.0.1", 1, "id", "secret")
    embedded = bench_on(Server(endpoint, 0, tmp_path), tmp_path)
    assert listing.filling(embedded) == []
    path = tmp_path / listing.METADATA_FILE
    path.parent.mkdir()
    path.touch()
    assert listing.filling(embedded) == ["bench.fill", str(path)]


def test_a_size_that_cannot_be_filled_does_not_take_the_others_with_it(tmp_path, monkeypatch):
    tried = []

    def filled(_bench, bucket, keys):
        tried.append(bucket)
        if keys == 10**4:
            raise ControlFailed("filling failed")
        return ""

    monkeypatch.setattr(listing, "filled", filled)
    listing.prefill(bench_on(server_on(None, Metadata(URL)), tmp_path), ["LIST 10^4 page @1", "LIST 10^5 page @1", "PUT 4 KiB @1"])
    assert tried == ["bench-list-10000", "bench-list-100000"]
    with pytest.raises(ControlFailed):
        listing.list_row(bench_on(server_on(None, Metadata(URL)), tmp_path), "LIST 10^4 page @1", 10**4, [{}], 1)


def test_a_size_that_nobody_can_fill_is_skipped_with_the_reason(tmp_path, monkeypatch):
    bench = bench_on(server_on(None, None), tmp_path)
    monkeypatch.setattr(Endpoint, "call", lambda *_: (404, {}, b""))
    row = listing.list_row(bench, "LIST 10^4 page @1", 10**4, [{}], 1)
    assert "--metadata" in row.skipped
    assert row.errors == {}


def test_what_the_driver_logs_is_not_in_the_result():
    program = """
        import run
        from sample_results import FLOORS
        from dolmen.core.telemetry.log import get_logger

        def measure(options):
            get_logger("x").error("the cluster is slow")
            return run.Result(FLOORS, [], {}, {})

        run.run = measure
        raise SystemExit(run.main(["--output", "json", "--metadata", "cassandra://127.0.0.1/dolmen"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], cwd=os.path.dirname(__file__), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["goals"] == []
    assert "the cluster is slow" in done.stderr


def test_scrapes_end(monkeypatch):
    """A server that hangs must not hang the bench."""
    seen = []

    def urlopen(url, timeout):
        seen.append((url, timeout))
        raise TimeoutError

    monkeypatch.setattr(metadata.urllib.request, "urlopen", urlopen)
    assert counts_now("http://127.0.0.1:1", ()) == NOT_COUNTED
    assert seen == [("http://127.0.0.1:1/metrics", metadata.SCRAPE_SECONDS)]
