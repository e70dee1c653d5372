"""Which processes meet: the table of research section 6, and what our own rules need."""

from __future__ import annotations

from .checker import Configuration
from .coordinator import Coordinator
from .deleter import Deleter, Reverter
from .lister import Lister
from .rules import Weakening
from .splitter import ORDER, Splitter
from .state import bit
from .sweeper import Sweeper
from .writer import Request, Writer

Weak = frozenset[Weakening]
NOTHING: Weak = frozenset()


def writers(*kinds: str, weak: Weak = NOTHING, **options) -> tuple[Writer, ...]:
    """One writer for each text of requests in turn, e.g. "put delete"; requests are numbered through."""
    made, number = [], 0
    for worker, text in enumerate(kinds):
        requests = []
        for kind in text.split():
            number += 1
            requests.append(Request(number, kind))
        made.append(Writer(worker, tuple(requests), weak=weak, **options))
    return tuple(made)


def _noted(made: tuple[Writer, ...]) -> int:
    return sum(bit(request.number) for writer in made for request in writer.requests if request.kind != "delete")


def plain(weak: Weak = NOTHING, lists: int = 1, kinds: tuple[str, ...] = ("put", "delete")) -> Configuration:
    """Writers and LISTs, no split."""
    listers = tuple(Lister(number + 1, weak=weak) for number in range(lists))
    return Configuration(f"{len(kinds)} writers, {lists} lists", (*writers(*kinds, weak=weak), *listers))


def split(
    weak: Weak = NOTHING, lists: int = 1, kinds: tuple[str, ...] = ("put",), takeovers_max: int = 1, stops_after: str = ORDER[-1]
) -> Configuration:
    """A split under writers and LISTs; the splitter dies at any step and is followed by another."""
    listers = tuple(Lister(number + 1, weak=weak) for number in range(lists))
    splitter = Splitter(weak=weak, takeovers_max=takeovers_max, stops_after=stops_after)
    name = f"{len(kinds)} writers, {lists} lists, split"
    return Configuration(name, (*writers(*kinds, weak=weak), *listers, splitter))


def two_splitters(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put",)) -> Configuration:
    """The first splitter only seemed dead."""
    splitters = Splitter(weak=weak), Splitter(2, weak=weak)
    return Configuration("two splitters", (*writers(*kinds, weak=weak), Lister(weak=weak), *splitters))


def late(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put", "create"), attempts_max: int = 2) -> Configuration:
    """Batches time out, and land late or never."""
    made = writers(*kinds, weak=weak, timeouts=True, attempts_max=attempts_max)
    return Configuration("late CAS", (*made, Lister(weak=weak), Coordinator()))


def notes(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put", "put", "delete"), timeouts: bool = False) -> Configuration:
    """Garbage noted in ``pending``."""
    made = writers(*kinds, weak=weak, notes=True, timeouts=timeouts)
    return Configuration("notes", (*made, *((Coordinator(),) if timeouts else ())), _noted(made))


def swept(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put", "delete"), paused: bool = False) -> Configuration:
    """A worker dies (or seems to), its batch may land late; its intent is swept."""
    made = writers(*kinds, weak=weak, timeouts=not paused, notes=True, may_be_swept=paused, attempts_max=2)
    return Configuration("swept", (*made, Lister(weak=weak), Sweeper(weak=weak, paused=paused), Coordinator()), _noted(made))


def swept_split(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put",)) -> Configuration:
    """The same while the shard is split."""
    made = writers(*kinds, weak=weak, timeouts=True)
    return Configuration("swept, split", (*made, Lister(weak=weak), Splitter(weak=weak), Sweeper(weak=weak), Coordinator()))


def deleted(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put",), timeouts: bool = True, deleters: int = 1) -> Configuration:
    """A bucket is deleted under writers; with two deleters, the first one's deletion is taken back while it may still go on."""
    made = writers(*kinds, weak=weak, timeouts=timeouts, may_be_closed=True)
    removing = [Deleter(number + 1, weak=weak) for number in range(deleters)]
    if deleters > 1:
        removing.append(Reverter())
    return Configuration("bucket deleted", (*made, Lister(weak=weak), *removing, Coordinator()))


def deleted_split(weak: Weak = NOTHING, kinds: tuple[str, ...] = ("put",), takeovers_max: int = 0) -> Configuration:
    """A bucket is deleted while its shard is split."""
    splitter = Splitter(weak=weak, takeovers_max=takeovers_max)
    made = writers(*kinds, weak=weak, may_be_closed=True)
    return Configuration("bucket deleted, split", (*made, Lister(weak=weak), splitter, Deleter(weak=weak)))


def given_up(weak: Weak = NOTHING) -> Configuration:
    """A split is given up for a deletion that is taken back; the first splitter only seemed dead."""
    splitters = Splitter(weak=weak), Splitter(2, weak=weak)
    return Configuration("split given up", (Lister(weak=weak), *splitters, Deleter(weak=weak), Reverter()))
