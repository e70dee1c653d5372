"""LanceDB: tables of vectors whose commits are conditional PUTs. Usage: with_lance.py STEP ENDPOINT BUCKET DIRECTORY.

Departure from the defaults: allow_http, for a local endpoint without TLS.
"""

import concurrent.futures
import datetime
import pathlib
import sys

import lancedb
import numpy as np
import pyarrow as pa

DIMENSIONS = 32
WRITERS = 6
ROUNDS = 4


def rows(start, stop):
    vectors = np.random.default_rng(start).random((stop - start, DIMENSIONS), dtype=np.float32)
    return pa.table(
        {
            "number": pa.array(range(start, stop)),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSIONS),
            "text": [f"row {number}" for number in range(start, stop)],
        }
    )


def life(database, bucket, work):
    made = rows(0, 5000)
    table = database.create_table("one", made)
    table.add(rows(5000, 6000))
    wanted = made["vector"][1234].as_py()
    assert table.search(wanted).limit(1).to_list()[0]["number"] == 1234
    table.create_index(metric="l2", num_partitions=4, num_sub_vectors=4)
    assert 1234 in [found["number"] for found in table.search(wanted).nprobes(4).refine_factor(20).limit(5).to_list()]
    version = table.version
    table.delete("number >= 5500")
    table.update(where="number < 10", values={"text": "changed"})
    table.merge_insert("number").when_matched_update_all().when_not_matched_insert_all().execute(rows(5490, 5510))
    assert (table.count_rows(), table.count_rows("text = 'changed'")) == (5510, 10)
    table.optimize(cleanup_older_than=datetime.timedelta(0))
    again = database.open_table("one")
    assert (again.count_rows(), again.count_rows("text = 'changed'")) == (5510, 10)
    assert again.search(wanted).limit(1).to_list()[0]["number"] == 1234
    again.delete("true")
    assert again.count_rows() == 0
    assert again.version > version
    database.drop_table("one")
    assert database.table_names() == []


def conflicts(database, bucket, work):
    database.create_table("two", rows(0, 10))
    try:
        database.create_table("two", rows(0, 10))
    except ValueError:
        pass
    else:
        raise AssertionError("a table was created twice")
    database.create_table("counters", pa.table({"id": [0], "value": [0]}))

    def add(number):
        # Appends do not conflict: whoever finds its version taken commits the next one.
        for turn in range(ROUNDS):
            start = 1000 * number + 10 * turn
            database.open_table("two").add(rows(start, start + 10))

    def count(number):
        done = 0
        for _ in range(ROUNDS):
            try:
                database.open_table("counters").update(where="id = 0", values_sql={"value": "value + 1"})
            except RuntimeError as error:
                if "conflict" not in str(error).lower() and "contention" not in str(error).lower():
                    raise
            else:
                done += 1
        return done

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(add, range(1, WRITERS + 1)))
        done = sum(pool.map(count, range(WRITERS)))
    assert database.open_table("two").count_rows() == 10 + WRITERS * ROUNDS * 10
    # No update is lost, none counts twice.
    assert done > 0
    assert database.open_table("counters").to_arrow()["value"].to_pylist() == [done]


if __name__ == "__main__":
    step, endpoint, bucket, directory = sys.argv[1:]
    options = {"endpoint": endpoint, "allow_http": "true"}
    globals()[step](lancedb.connect(f"s3://{bucket}/lance", storage_options=options), bucket, pathlib.Path(directory))
