"""Icechunk: versioned Zarr arrays whose commits are conditional PUTs. Usage: with_icechunk.py STEP ENDPOINT BUCKET DIRECTORY.

Departures from the defaults: allow_http and force_path_style, for a local endpoint.
"""

import datetime
import os
import pathlib
import sys

import icechunk
import numpy as np
import zarr


def array(session):
    return zarr.open_array(session.store, path="made", mode="r+" if not session.read_only else "r")


def begin(storage):
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    zarr.create_array(session.store, name="made", shape=(4000, 1000), chunks=(1000, 1000), dtype="i4")[:] = 1
    return repository, session.commit("one")


def life(storage, bucket, work):
    repository, first = begin(storage)
    repository.create_tag("v1", first)
    session = repository.writable_session("main")
    array(session)[:1000] = np.arange(1_000_000).reshape(1000, 1000)
    second = session.commit("two")
    again = icechunk.Repository.open(storage)
    assert [found.message for found in again.ancestry(branch="main")][:2] == ["two", "one"]
    now = array(again.readonly_session("main"))
    assert (int(now[999, 999]), int(now[1000, 0])) == (999_999, 1)
    assert int(array(again.readonly_session(tag="v1"))[999, 999]) == 1
    again.create_branch("side", first)
    side = again.writable_session("side")
    array(side)[:1000] = np.random.default_rng(9).integers(1 << 30, size=(1000, 1000))  # too large to go into the manifest
    side.commit("three")
    assert int(array(again.readonly_session("side"))[999, 999]) not in (1, 999_999)
    assert int(array(again.readonly_session(snapshot_id=second))[0, 0]) == 0
    again.delete_branch("side")
    told = again.garbage_collect(datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1))
    assert (told.chunks_deleted, told.snapshots_deleted) == (1, 1), told
    assert int(array(again.readonly_session("main"))[999, 999]) == 999_999


def conflicts(storage, bucket, work):
    repository, _ = begin(storage)
    left, right = repository.writable_session("main"), repository.writable_session("main")
    array(left)[:1000] = 2
    array(right)[1000:2000] = 3
    left.commit("left")
    try:
        right.commit("right")
    except icechunk.ConflictError:
        right.rebase(icechunk.BasicConflictSolver())  # other chunks: nothing is lost
        right.commit("right")
    else:
        raise AssertionError("a commit on top of a snapshot that is not the newest")
    found = array(repository.readonly_session("main"))
    assert [int(found[row, 0]) for row in (0, 1000, 2000)] == [2, 3, 1]


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    options = {"endpoint_url": endpoint, "allow_http": True, "force_path_style": True, "from_env": True}
    made = icechunk.s3_storage(bucket=bucket, prefix="repository", region=os.environ["AWS_REGION"], **options)
    globals()[step](made, bucket, pathlib.Path(directory))
