"""What a rebuild says: each difference with its fields, bounded for people and whole for programs, and a summary that counts."""

import io
import json

from dolmen.gateway.maintenance.rebuild import told
from dolmen.gateway.maintenance.rebuild.differences import Difference, FieldDifference
from dolmen.gateway.maintenance.rebuild.fragments import Trouble
from dolmen.gateway.maintenance.rebuild.scan import Unheard

OWNER = FieldDifference("owner", "1", "2")
DIFFERENT = Difference(kind="different", what="version", bucket="b", key="k", version_id="V1", reason="why", fields=(OWNER,))
LOST = Difference(kind="volumes only", what="part", bucket="b", key="k", upload_id="u", part_number=3, reason="why", taken=True)
GONE = Difference(kind="rows only", what="delete marker", bucket="b", key="k", version_id="null", reason="why")


def report(*, as_json=False, writes=False):
    out = io.StringIO()
    return told.Report(out, as_json=as_json, writes=writes), out


def test_people_read_a_line_for_each_difference_and_its_fields():
    made, out = report()
    for one in (DIFFERENT, LOST, GONE):
        made.difference(one)
    made.close()
    assert out.getvalue().splitlines()[:4] == [
        "different: version b/k version V1: why",
        "    owner: rows '1', volumes '2'",
        "volumes only: part b/k upload u part 3: why",
        "rows only: delete marker b/k: why",
    ]
    assert "1 in rows only, 1 in volumes only, 1 different" in out.getvalue()
    assert (made.summary.left, made.summary.is_equal) == (3, False)


def test_programs_read_an_object_for_each_line():
    made, out = report(as_json=True, writes=True)
    made.difference(LOST)
    made.trouble(Trouble(7, b"\x01" * 16, 2, "rotten"))
    made.unheard(Unheard("disk", "silent"))
    made.close()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["type"] for line in lines] == ["difference", "trouble", "unheard", "summary"]
    assert (lines[0]["part_number"], lines[0]["taken"]) == (3, True)
    assert (lines[1]["stripe"], lines[1]["slot"]) == ("01" * 16, 2)
    assert (lines[3]["taken"], lines[3]["left"], lines[3]["troubles"]) == (1, 0, 1)
    assert not made.summary.is_equal, "a disk was not heard"


def test_what_becomes_a_row_is_no_difference_any_more():
    made, _ = report(writes=True)
    made.difference(LOST)
    assert (made.summary.taken, made.summary.left, made.summary.is_equal) == (1, 0, True)


def test_people_are_told_a_bounded_number_and_how_to_get_all(monkeypatch):
    monkeypatch.setattr(told, "LINES_MAX", 2)
    monkeypatch.setattr(told, "TROUBLES_TOLD", 1)
    made, out = report()
    for _ in range(4):
        made.difference(GONE)
        made.trouble(Trouble(7, bytes(16), 2, "rotten"))
    made.close()
    lines = out.getvalue().splitlines()
    assert [line.partition(":")[0] for line in lines].count("rows only") == 2
    assert sum("--output json" in line for line in lines) == 1
    assert sum("rotten" in line for line in lines) == 1
    assert (made.summary.rows_only, made.summary.troubles) == (4, 4)
