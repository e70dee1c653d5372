"""The schema as numbered migrations: CQL statements, applied in order, never changed once released (their checksum is kept).

Follows the design's schema; see ``docs/decisions/0024-metadata-in-cassandra.md`` for what differs and why. All ids are blobs of
16 bytes. ``{truth_options}`` and the like are filled in by the runner from the cluster's dialect; checksums are of this text.
"""

from __future__ import annotations

from typing import NamedTuple


class Migration(NamedTuple):
    """``number``: 1, 2, 3 ... without gaps."""

    number: int
    statements: tuple[str, ...]


_FIRST = (
    # Global names: changed by GLOBAL_CAS only. state 0 active, 1 being deleted; ``state_us`` stamps the fences of its shards.
    """CREATE TABLE IF NOT EXISTS buckets (name text PRIMARY KEY, bucket_id blob, owner text, state tinyint, state_us bigint,
         rev bigint, record blob)""",
    # Supersets, written before ``buckets`` and checked against it when listed.
    """CREATE TABLE IF NOT EXISTS buckets_by_owner (owner text, name text, bucket_id blob, PRIMARY KEY ((owner), name))""",
    """CREATE TABLE IF NOT EXISTS bucket_names (h smallint, name text, bucket_id blob, PRIMARY KEY ((h), name))""",
    # The range map of a bucket; LWT only. No row at all: one implicit shard from b"" on, its id is the bucket's.
    # state 0 active, 1 splitting (or raising its fanout, or merging: see split.py).
    """CREATE TABLE IF NOT EXISTS bucket_shards (bucket_id blob, lo blob, shard_id blob, fanout smallint, state tinyint,
         split_key blob, child_a blob, child_b blob, child_fanout smallint, lease_owner text, lease_us bigint, rev bigint,
         PRIMARY KEY ((bucket_id), lo))""",
    # TRUTH: one partition for each key; LWT only, every one of them IF head_seq = ?.
    """CREATE TABLE IF NOT EXISTS objects (bucket_id blob, key blob, head_seq bigint static, head_op blob static,
         prev_op blob static, current_slot bigint static, pending blob static, move blob static, slot bigint, seq bigint, op blob,
         summary blob, rest blob, PRIMARY KEY ((bucket_id, key), slot)) WITH CLUSTERING ORDER BY (slot DESC) {truth_options}""",
    # LISTING: current objects; every write USING TIMESTAMP head_seq; never LWT.
    """CREATE TABLE IF NOT EXISTS listing (bucket_id blob, shard_id blob, sub smallint, key blob, summary blob,
         PRIMARY KEY ((bucket_id, shard_id, sub), key)) {listing_options}""",
    # Versions and markers that are not (or not only) in ``listing``.
    """CREATE TABLE IF NOT EXISTS listing_versions (bucket_id blob, shard_id blob, sub smallint, key blob, seq bigint, summary blob,
         PRIMARY KEY ((bucket_id, shard_id, sub), key, seq)) WITH CLUSTERING ORDER BY (key ASC, seq DESC) {versions_options}""",
    # In-flight changes of a shard, USING TTL; fence 1: being split; moved 1: superseded; closed > 0: the bucket goes.
    # gc_grace is short: a resurrected intent only forces a verification, and LIST reads the whole partition.
    """CREATE TABLE IF NOT EXISTS listing_intents (bucket_id blob, shard_id blob, sub smallint, fence tinyint static,
         moved tinyint static, closed bigint static, key blob, worker bigint, op blob, begun_us bigint,
         PRIMARY KEY ((bucket_id, shard_id, sub), key, worker)) WITH gc_grace_seconds = 30 {intents_options}""",
    # Which shards a process has ever had intents in, and whether it lives: what is left of a dead one is found through these.
    """CREATE TABLE IF NOT EXISTS workers (worker bigint PRIMARY KEY, alive_us bigint)""",
    """CREATE TABLE IF NOT EXISTS worker_shards (worker bigint, bucket_id blob, shard_id blob, sub smallint,
         PRIMARY KEY ((worker), bucket_id, shard_id, sub))""",
    # Uploads in progress, for lists (a superset); h = crc32c(key) mod 16.
    """CREATE TABLE IF NOT EXISTS uploads (bucket_id blob, h smallint, key blob, upload_id text, head blob,
         PRIMARY KEY ((bucket_id, h), key, upload_id))""",
    # One upload: its state and parts; LWT only. state 0 in progress, 1 completing, 2 completed, 3 gone.
    """CREATE TABLE IF NOT EXISTS upload_parts (upload_id text, state tinyint static, upload blob static, attempt blob static,
         completed blob static, completed_us bigint static, part int, part_rev bigint, record blob, replaced blob,
         PRIMARY KEY ((upload_id), part))""",
    # Queues by time (garbage, events, ...): slices of time, found through their register (slice -1). See queues.py.
    """CREATE TABLE IF NOT EXISTS queue_entries (queue text, slice bigint, h smallint, id blob, due_us bigint, body blob,
         PRIMARY KEY ((queue, slice, h), id))""",
    # A resurrected row only makes the repairer look once more.
    """CREATE TABLE IF NOT EXISTS repairs (h smallint, stripe_id blob, slot smallint, pg int,
         PRIMARY KEY ((h), stripe_id, slot)) WITH gc_grace_seconds = 3600""",
    # Documents of a space; LWT only, every one IF space_rev = ?.
    """CREATE TABLE IF NOT EXISTS documents (space text, space_rev bigint static, kind text, name text, rev bigint, raw blob,
         PRIMARY KEY ((space), kind, name))""",
    # The cluster map and leases; LWT only.
    """CREATE TABLE IF NOT EXISTS cluster_state (name text PRIMARY KEY, epoch bigint, raw blob)""",
    """CREATE TABLE IF NOT EXISTS leases (name text PRIMARY KEY, owner text, until_us bigint, rev bigint)""",
    # Sums kept by each process (cumulative, last write wins); added up when asked for.
    """CREATE TABLE IF NOT EXISTS usage_by_worker (bucket_id blob, worker bigint, objects bigint, bytes bigint,
         PRIMARY KEY ((bucket_id), worker))""",
    """CREATE TABLE IF NOT EXISTS shard_load (bucket_id blob, shard_id blob, worker bigint, rows bigint, bytes bigint,
         PRIMARY KEY ((bucket_id, shard_id), worker))""",
)

MIGRATIONS: tuple[Migration, ...] = (Migration(1, _FIRST),)
SCHEMA_VERSION = MIGRATIONS[-1].number

# Read by every process at start; written by the runner of migrations only (LWT).
REGISTER = """CREATE TABLE IF NOT EXISTS schema_migrations (id text PRIMARY KEY, checksum text, applied_us bigint)"""
