"""Runs that never were, for the tests of the bench."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from bench import floors, goals, result, table
from bench.generator import Outcome
from bench.row import Row

# Of the machine where the goals were set.
FLOORS = dict.fromkeys(table.FLOOR_TEXT, 1.0) | {floors.MD5: goals.REFERENCE_MD5_GB, floors.APPEND: goals.REFERENCE_APPEND}


def outcome(**more: Any) -> Outcome:
    """Two seconds of the generator in which nothing happened but what is given."""
    zero = {each.name: 0 for each in dataclasses.fields(Outcome)}
    return Outcome(**{**zero, "errors": {}, "first_error": "", "seconds": 2.0, **more})


def saved(folder: Path, rows: list[Row]) -> Path:
    """A run as ``--save`` writes it."""
    told = result.Result(FLOORS, rows, {"seconds": "5"}, {"commit": "abc", "when": "then"})
    path = folder / "saved.json"
    path.write_text(json.dumps(result.to_json(told)))
    return path
