"""How ``dolmen kms`` shows results and progress: text for people, JSON for programs, a bar on a terminal and lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TextIO

import msgspec

from dolmen.gateway.kms.actions import Changed, ClusterKeyChanged, Keys, Rewrapped
from dolmen.gateway.kms.duty import Pass

BAR_CHARACTERS = 30
LINE_SECONDS = 5.0  # between two lines where there is no terminal
FRESH_TEXT = "every process knows within 5 s"

Result = Keys | Changed | Rewrapped | ClusterKeyChanged


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines with columns; numbers to the right."""
    texts = [list(headings), *([f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(headings))]
    is_number = [bool(rows) and isinstance(rows[0][at], int) for at in range(len(headings))]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in texts
    ]


def lines_of(action: str, result: Result) -> list[str]:
    """A result for people."""
    if isinstance(result, Keys):
        return _keys(result)
    if isinstance(result, Changed):
        return _changed(action, result)
    if isinstance(result, Rewrapped):
        return _rewrapped(result)
    return _cluster_key(result)


def json_of(result: Result) -> str:
    """A result for programs."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2).decode()


def _keys(found: Keys) -> list[str]:
    if not found.keys:
        return ["no keys yet: they are made when first used, or by `dolmen kms create NAME`"]
    rows = [(key.name, key.version, "enabled" if key.enabled else "disabled", key.created or "-") for key in found.keys]
    lines = table(("key", "version", "state", "created"), rows)
    if found.cluster_keys:
        rings = [(one.id, one.state, one.wraps) for one in found.cluster_keys]
        lines += ["", *table(("cluster key", "state", "wraps"), rings)]
    return lines


def _changed(action: str, key: Changed) -> list[str]:
    if action == "create":
        return [f"key {key.name} is there"]
    if action == "rotate":
        return [
            f"key {key.name} has version {key.version}; {FRESH_TEXT}",
            "Objects of older versions stay readable; maintenance wraps their keys anew, or `dolmen kms rewrap` does so now.",
        ]
    if key.enabled:
        return [f"key {key.name} is enabled; {FRESH_TEXT}"]
    return [f"key {key.name} is disabled: it neither seals nor opens; {FRESH_TEXT}"]


def _rewrapped(done: Rewrapped) -> list[str]:
    lines = [f"{done.seen:,} versions in {done.buckets:,} buckets seen, the keys of {done.rewrapped:,} wrapped anew"]
    if done.keys:
        lines.append(f"{done.keys:,} versions of named keys wrapped by the current cluster key")
    if done.left:
        lines.append(f"{done.left:,} left as they are: their key is disabled or does not open, or they were changed meanwhile")
    return lines


def _cluster_key(done: ClusterKeyChanged) -> list[str]:
    if done.dropped:
        return [
            f"removed from {done.file}: {', '.join(done.dropped)}",
            "Replace the file on every other host too. Backups of the metadata from before the rotation need the old keys.",
        ]
    if done.added and done.added != done.current:
        return [
            f"{done.file} has a new key, {done.added}, that wraps nothing yet",
            f"Bring the file to every other host, then: dolmen kms rotate-cluster-key --use {done.added}",
        ]
    if not done.added and not done.rewrapped:
        return [f"{done.file}: {done.current} wraps everything, there is nothing to remove"]
    return [
        f"{done.current} is the current key of {done.file}; {done.rewrapped:,} versions of named keys are wrapped by it",
        "Processes that use this very file read it by themselves. Bring it to every other host now: until then requests",
        "there that need a key are answered with 503 (`--prepare` and `--use` rotate without this).",
        "When that is done: dolmen kms rotate-cluster-key --drop-old",
    ]


class Progress:
    """Shows a pass on ``out``."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._next = 0.0
        self._shown = ""

    def show(self, state: Pass | None, buckets: int, seconds: float) -> None:
        """The pass, how many buckets there are, seconds until it begins."""
        if state is None:
            return
        text = _progress_text(state, buckets, seconds)
        if self._is_terminal:
            self._out.write(f"\r{_bar(state, buckets)} {text}\x1b[K")
        elif text != self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._shown = text
            self._out.write(f"{text}\n")
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


def _bar(state: Pass, buckets: int) -> str:
    share = 1.0 if state.done else min(1.0, state.buckets / max(1, buckets))
    return f"[{'#' * int(share * BAR_CHARACTERS):.<{BAR_CHARACTERS}}]"


def _progress_text(state: Pass, buckets: int, seconds: float) -> str:
    if seconds > 0 and not state.done:
        return f"begins in {seconds:.0f} s, when every gateway seals with the new version"
    return f"{state.buckets:,} of {buckets:,} buckets, {state.seen:,} versions seen, {state.rewrapped:,} wrapped anew"
