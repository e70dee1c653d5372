"""What differs between databases that speak CQL: options of tables and keyspaces, and what can be asked about settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """Texts that fill the places of the migrations, and what the preflight may expect."""

    name: str
    keyspace_options: str  # after WITH replication = {...}
    table_options: Mapping[str, str]  # the places of ``migrations.py``
    tells_settings: bool  # there is a table system_views.settings


_CASSANDRA = Dialect(
    "cassandra",
    "",
    {
        # speculative_retry: a replica that hangs is passed over after 50 ms; the default waits 2.5 s in a table that is new.
        # Blocking read repair makes quorum reads monotonic; small chunks because rows are read one at a time; tiered for many
        # overwrites of few rows, levelled below.
        "truth_options": "AND speculative_retry = 'MIN(99p,50ms)' AND read_repair = 'BLOCKING' "
        "AND compression = {'class': 'LZ4Compressor', 'chunk_length_in_kb': 4} "
        "AND compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4, L4'}",
        # Read in ranges: levelled, so that a page touches few tables.
        "listing_options": "WITH speculative_retry = 'MIN(99p,50ms)' "
        "AND compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L10'}",
        "versions_options": "AND speculative_retry = 'MIN(99p,50ms)' "
        "AND compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L10'}",
        "intents_options": "AND speculative_retry = 'MIN(99p,50ms)' "
        "AND compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}",
    },
    tells_settings=True,
)

_SCYLLA = Dialect(
    "scylla",
    " AND tablets = {'enabled': false}",  # conditional statements need vnodes in most of its versions
    {
        # No unified compaction; its quorum reads repair before they answer without being told.
        "truth_options": "AND compression = {'sstable_compression': 'LZ4Compressor', 'chunk_length_in_kb': 4} "
        "AND compaction = {'class': 'LeveledCompactionStrategy'}",
        "listing_options": "WITH compaction = {'class': 'LeveledCompactionStrategy'}",
        "versions_options": "AND compaction = {'class': 'LeveledCompactionStrategy'}",
        "intents_options": "AND compaction = {'class': 'LeveledCompactionStrategy'}",
    },
    tells_settings=False,
)

DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in (_CASSANDRA, _SCYLLA)}
