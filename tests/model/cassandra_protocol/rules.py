"""The ways in which the protocol may be weakened; each must break the property, or the rule that it drops was not needed."""

from __future__ import annotations

import enum


class Weakening(enum.Enum):
    """One rule left out. The text is what a trace says of it."""

    # Research section 6.
    NO_INTENTS = "the writer announces nothing: truth, then listing"
    LIST_ROWS_BEFORE_INTENTS = "LIST reads the rows before the intents"
    NO_FENCE_CHECK = "the writer does not read the fence after its intent"
    COPY_BEFORE_INTENTS = "the splitter copies rows before it reads the intents"
    NO_CARRY = "the splitter does not copy the intents into the child"
    NEVER_MOVED = "the splitter never marks the source as moved"
    MOVED_AFTER_MAP = "the splitter marks the source as moved only after the map has changed"
    # Of splits, found by this model.
    NO_COMPARISON = "the splitter does not compare the child's rows with the source's after it copied them"
    SETTLE_WITHOUT_LOOKING = "copied intents are taken away although the source still has them"
    SETTLE_WITHOUT_REINDEX = "copied intents are taken away without making the rows anew"
    MARKS_WITHOUT_LEASE = "marks of a split carry the time of their writing, not of the lease"
    # Of unknown outcomes.
    SERIAL_READ_DECIDES = "a time-out is decided by reading the head"
    UNKNOWN_CLEARS_INTENT = "the intent of an unknown outcome is deleted"
    NEXT_REQUEST_CLEARS_UNKNOWN = "a later request of the same worker deletes the intent of an unknown outcome"
    SEQ_ALONE_DECIDES = "a repeated batch that finds its own sequence takes itself for applied"
    # Of notes.
    NO_DRAIN_BEFORE_REPLACE = "pending notes are replaced before they were drained"
    CLEAR_BEFORE_DRAIN = "the writer deletes its intent before it drains its notes"
    # Of sweeping what dead workers left.
    SWEEP_WITHOUT_BURN = "the sweeper does not burn the sequence"
    SWEEP_TAKES_NEWER = "the sweeper deletes an intent that is newer than the one it read"
    HEAD_AFTER_INTENT = "a worker that may be swept while it lives reads the head after it wrote the intent"
    RETRY_WITHOUT_ANNOUNCING = "a new attempt does not write its intent again"
    # Of bucket deletion.
    DELETE_WITHOUT_BURN = "the deleter only reads keys that have an intent"
    FENCE_BEFORE_HEAD = "the writer reads the head that it decides on after the fence"
    RETRY_WITHOUT_FENCE = "a new attempt does not read the fence again"
    SPLIT_IGNORES_DELETION = "the splitter does not look at the bucket after it has changed the map"
    DELETION_IGNORES_SPLIT = "the deleter does not mind that a range is being split"
    DROP_WITHOUT_STAMP = "the bucket's row is deleted IF state = 1, whoever set it"
