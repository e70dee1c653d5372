"""The parts of the bench that could be wrong without anybody noticing."""

import datetime
import os
import subprocess

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from bench import floors, goals, listing, objects, processes, result, table
from bench.keys import FOLDERS, flat_keys, key_of
from bench.options import parse, wanted
from bench.processes import Spent, Usage, parse_peak_rss, parse_stat, spent
from bench.row import Row, merge, row_from
from bench.signing import UNSIGNED, Signer
from sample_results import FLOORS, outcome, saved

NOW = datetime.datetime(2026, 11, 24, 6, 55, 57, tzinfo=datetime.UTC)
NAMES = [name for name, _ in (*objects.object_rows(), *listing.listing_rows())]


class UnsignedPayloadAuth(botocore.auth.S3SigV4Auth):
    def payload(self, request):
        return UNSIGNED


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/bucket/key", {}, {}),
        ("PUT", "/bucket/a b+c~d/é%2F", {}, {}),
        ("GET", "/bucket", {"list-type": "2", "start-after": "flat/0 +&=é", "delimiter": "/"}, {}),
        ("POST", "/bucket", {"delete": ""}, {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}),
        ("PUT", "/bucket/key", {"partNumber": "7", "uploadId": "a/b+c="}, {}),
    ],
)
def test_signatures_are_those_of_botocore(monkeypatch, method, path, query, headers):
    signer = Signer("127.0.0.1:9000", "AKID", "secret", now=NOW)
    lines = signer.head(method, path, query, headers, 5).decode().split("\r\n")
    mine = dict(line.split(": ", 1) for line in lines[1:] if line)
    target = lines[0].split(" ")[1]
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: NOW.replace(tzinfo=None))
    request = botocore.awsrequest.AWSRequest(method=method, url=f"http://127.0.0.1:9000{target}", headers=dict(headers))
    credentials = botocore.credentials.Credentials("AKID", "secret")
    UnsignedPayloadAuth(credentials, "s3", "us-east-1").add_auth(request)
    assert mine["authorization"] == request.headers["Authorization"]
    assert mine["content-length"] == "5"


def test_stat_of_a_process_with_an_awkward_name():
    fields = ["S", "41", *["0"] * 9, "150", "50", "7", "3", *["0"] * 30]
    stat = parse_stat(f"42 (a ) S 1 (b) {' '.join(fields)}")
    ticks = processes.TICKS_PER_SECOND
    assert (stat.parent, stat.cpu_seconds, stat.reaped_seconds) == (41, 200 / ticks, 10 / ticks)


def test_peak_memory_of_a_status():
    assert parse_peak_rss("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 5 kB\n") == 1234 * 1024
    assert parse_peak_rss("Name:\tzombie\nState:\tZ\n") == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["python", "-P", "-m", "dolmen.datanode", "--node", "datanode-1", "--disk", "d"], "datanode-1"),
        (["python", "-m", "dolmen.gateway", "--admin-listen", "unix:run/gateway-0.admin.sock"], "gateway-0"),
        (["/x/.venv/bin/python", "/x/.venv/bin/dolmen", "dev", "data"], "dolmen"),
        (["/usr/sbin/nginx", "-g", "x"], "nginx"),
        ([], "?"),
    ],
)
def test_processes_have_short_names(command, name):
    assert processes.name_of(command) == name


def test_the_tree_of_this_process_holds_its_child():
    with subprocess.Popen(["sleep", "600"]) as child:
        try:
            processes.reset_peaks(child.pid)
            assert child.pid in processes.tree(os.getpid())
            assert processes.tree(child.pid) == [child.pid]
            assert processes.usage(child.pid)[child.pid].peak_rss_bytes > 0
        finally:
            child.kill()


def test_cpu_of_a_process_that_ended_is_not_lost():
    before = {1: Usage("supervisor", 1.0, 0.5, 10), 2: Usage("gateway", 4.0, 0.0, 30), 3: Usage("gateway", 2.0, 0.0, 20)}
    after = {1: Usage("supervisor", 1.5, 5.5, 11), 3: Usage("gateway", 3.0, 0.0, 25), 4: Usage("gateway", 0.25, 0.0, 40)}
    told = spent(before, after)
    assert told.cpu_seconds == pytest.approx(0.5 + (5.0 - 4.0) + 1.0 + 0.25)  # process 2 used one more before it ended
    assert told.cpu_by_name == {"supervisor": 0.5, "gateway": 1.25}
    assert (told.peak_by_name, told.peak_total_bytes, told.restarted) == ({"supervisor": 11, "gateway": 40}, 76, True)


def test_busy_time_of_the_machine_counts_stolen_but_not_waiting_time():
    assert processes.machine_busy_seconds("cpu  10 20 30 4000 5000 60 70 80 9 9\ncpu0 1") * processes.TICKS_PER_SECOND == 270
    assert processes.machine_busy_seconds() > 0


def test_a_row_is_made_of_successes_and_all_cpu():
    used = Spent(0.5, {"gateway": 0.4, "datanode": 0.1}, {"gateway": 3_000_000, "datanode": 9_000_000}, 12_000_000, restarted=False)
    row = row_from("x", outcome(requests=100, p50_ns=2_000_000, cpu_seconds=0.2, errors={"503": 7}), used, object_bytes=10**6)
    assert (row.rate, row.mb_per_second, row.p50_ms, row.cpu_ms) == (50.0, 50.0, 2.0, 5.0)
    assert (row.peak_process_mb, row.peak_total_mb) == (9.0, 12.0)
    assert (row.generator_cpu_ms, row.generator_share) == (2.0, 0.1)
    assert row.cpu_ms_by_process == {"gateway": 4.0, "datanode": 1.0}
    assert row.errors == {"503": 7}


def test_a_row_without_a_success_has_no_cpu_figure():
    assert row_from("x", outcome(errors={"503": 7}), Spent(0.5, {}, {}, 0, restarted=False)).cpu_ms is None


def test_passes_merge_to_medians_and_peaks():
    rows = [
        Row(name="x", requests=10, rate=rate, p50_ms=p50, cpu_ms=2.0, peak_process_mb=peak, errors=errors)
        for rate, p50, peak, errors in ((5.0, 1.0, 10.0, {}), (50.0, 9.0, 30.0, {"503": 1}), (6.0, 2.0, 20.0, {"503": 2}))
    ]
    merged = merge([*rows, Row(name="x", skipped="no disk")])
    assert (merged.requests, merged.rate, merged.p50_ms, merged.peak_process_mb) == (30, 6.0, 2.0, 30.0)
    assert (merged.errors, merged.rate_low, merged.rate_high, merged.mb_per_second) == ({"503": 3}, 5.0, 50.0, None)


def test_runs_are_compared_by_row_name(tmp_path):
    then = result.load(saved(tmp_path, [Row(name="a", rate=10.0, p50_ms=4.0, cpu_ms=2.0), Row(name="gone", rate=1.0)]))
    now = result.Result(FLOORS, [Row(name="a", rate=15.0, p50_ms=2.0, cpu_ms=1.0), Row(name="new", rate=1.0)], {}, {})
    (ratio,) = result.compare(now, then)
    assert (ratio.name, ratio.rate, ratio.p50, ratio.cpu, ratio.peak) == ("a", 1.5, 0.5, 0.5, None)
    text = table.compare_table([ratio], now, then)
    assert "only in the earlier run: gone" in text
    assert "only in this run: new" in text


def test_what_is_no_saved_run_is_refused_with_one_line(tmp_path):
    path = tmp_path / "x.json"
    for content in ("", "[]", "{}", '{"format": 99}'):
        path.write_text(content)
        with pytest.raises(result.NotAResult, match=r"^[^\n]+$"):
            result.load(path)


def test_row_names_are_unique_and_every_goal_finds_its_rows():
    assert len(NAMES) == len(set(NAMES)) == 49
    figures = {"requests": 1, "rate": 1.0, "mb_per_second": 1.0, "p50_ms": 1.0, "cpu_ms": 1.0}
    rows = {name: Row(name=name, peak_process_mb=1.0, peak_total_mb=1.0, **figures) for name in NAMES}
    assert [each.name for each in goals.judge(rows, FLOORS) if each.measured is None] == []
    assert {each.holds for each in goals.judge({}, FLOORS)} == {None}


def test_goals_scale_with_the_machine():
    slow = FLOORS | {floors.MD5: goals.REFERENCE_MD5_GB / 2, floors.APPEND: goals.REFERENCE_APPEND / 4}
    rows = {"PUT 4 KiB @64": Row(name="PUT 4 KiB @64", requests=1, rate=350.0, cpu_ms=2.3)}
    told = {each.name: each for each in goals.judge(rows, slow)}
    assert (told["PUT 4 KiB @64"].scaled, told["PUT 4 KiB @64"].holds) == (300.0, True)
    assert (told["PUT 4 KiB @64 CPU"].scaled, told["PUT 4 KiB @64 CPU"].holds) == (2.4, True)
    assert [told["PUT 4 KiB @64"].holds_as_written, told["PUT 4 KiB @64 CPU"].holds_as_written] == [False, False]
    here = {each.name: each for each in goals.judge(rows, FLOORS)}
    assert (here["PUT 4 KiB @64"].holds, here["PUT 4 KiB @64 CPU"].holds) == (False, False)


def test_tables_show_every_row_and_floor():
    full = Row(name="a", rate=1234.5, rate_low=990.0, rate_high=2000.0, errors={"503": 1}, notes=("look",))
    rows = [full, Row(name="b", skipped="no disk")]
    text = table.rows_table(rows)
    assert "1,234 (990 to 2,000)" in text
    assert "503:1" in text
    assert "a: look" in text
    assert "b: no disk" in text
    assert all(words in table.floors_table(FLOORS) for words, _ in table.FLOOR_TEXT.values())
    assert "not measured" in table.goals_table(goals.judge({}, FLOORS), FLOORS)


def test_rows_are_chosen_by_pattern_or_for_a_quick_run():
    assert [name for name in NAMES if wanted(parse(["--only", "^PUT 4 KiB @16$"]), name)] == ["PUT 4 KiB @16"]
    quick = [name for name in NAMES if wanted(parse(["--quick"]), name)]
    assert 10 < len(quick) < 20
    assert not any("@64" in name or "10^6" in name for name in quick)
    assert all(wanted(parse([]), name) for name in NAMES)


@pytest.mark.parametrize(
    "argv", [["--only", "("], ["--seconds", "x"], ["--seconds", "0"], ["--passes", "0"], ["--endpoint", "x"], ["-x"]]
)
def test_what_cannot_be_understood_is_one_line_and_2(capsys, argv):
    with pytest.raises(SystemExit) as stopped:
        parse(argv)
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("keys", [1000, 10_000, 12_345])
def test_listed_keys_are_in_byte_order_and_lie_in_100_folders(keys):
    names = [key_of(index, keys) for index in range(keys)]
    assert names == sorted(set(names))
    assert sum(name.startswith("flat/") for name in names) == flat_keys(keys)
    assert len({name.split("/")[1] for name in names if name.startswith("tree/")}) == FOLDERS


def test_pages_are_full_by_construction():
    keys = 10**4
    names = [key_of(index, keys) for index in range(keys)]
    for make, prefix in ((listing.sequential, ""), (listing.sequential_delimiter, "flat/"), (listing.random_pages, ""),
                         (listing.random_delimiter, "flat/")):
        for query in make(keys):
            assert query.get("prefix", "") == prefix
            start = names.index(query["start-after"]) + 1 if "start-after" in query else 0
            page = [name for name in names[start : start + listing.PAGE_KEYS] if name.startswith(prefix)]
            assert len(page) == listing.PAGE_KEYS


def test_floors_of_the_disk_and_the_core_are_positive(tmp_path):
    assert floors.md5_speed(0.005) > 0
    assert floors.append_rate(tmp_path / "x", 2, 0.005) > 0
    assert list(tmp_path.iterdir()) == []
