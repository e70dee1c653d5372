"""Lists against a model: random keys, prefixes, delimiters and page sizes; every walk tells the same, and loses nothing."""

import random

import pytest

ALPHABET = ["a", "b", "/", "/", "ab", "+", "-", "é", "\U0001f701", "a/b", ".", "0"]
BUCKETS = 3
KEYS_PER_BUCKET = 60
WALKS = 40


def model(keys, prefix, delimiter, after):
    """Entries in order: (text, is prefix). Keys and common prefixes alike are listed when they are behind ``after``."""
    entries = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            entry = (prefix + rest.partition(delimiter)[0] + delimiter, True)
            if entries and entries[-1] == entry:
                continue
        else:
            entry = (key, False)
        entries.append(entry)
    return [entry for entry in entries if entry[0].encode() > after.encode()]


def page_entries(answer):
    """The entries of a page, in byte order of their text."""
    entries = [(entry["Key"], False) for entry in answer.get("Contents", [])]
    entries += [(entry["Prefix"], True) for entry in answer.get("CommonPrefixes", [])]
    return sorted(entries, key=lambda entry: entry[0].encode())


def walk_v2(s3, bucket, prefix, delimiter, after, size):
    found, more = [], {"StartAfter": after} if after else {}
    while True:
        answer = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, **more)
        page = page_entries(answer)
        assert answer["KeyCount"] == len(page) <= size
        found += page
        if not answer["IsTruncated"]:
            assert "NextContinuationToken" not in answer
            return found
        assert len(page) == size
        more = {"ContinuationToken": answer["NextContinuationToken"]}


def walk_v1(s3, bucket, prefix, delimiter, after, size):
    found, marker = [], after
    while True:
        answer = s3.list_objects(Bucket=bucket, Prefix=prefix, Delimiter=delimiter, MaxKeys=size, Marker=marker)
        page = page_entries(answer)
        assert len(page) <= size
        found += page
        if not answer["IsTruncated"]:
            return found
        assert len(page) == size
        marker = answer["NextMarker"] if delimiter else answer["Contents"][-1]["Key"]


@pytest.fixture(scope="module", params=range(BUCKETS))
def filled(request, s3, new_name):
    choose = random.Random(request.param)
    name = new_name()
    s3.create_bucket(Bucket=name)
    keys = {"".join(choose.choices(ALPHABET, k=choose.randint(1, 7))) for _ in range(KEYS_PER_BUCKET)}
    for key in keys:
        s3.put_object(Bucket=name, Key=key, Body=b"")
    for key in choose.sample(sorted(keys), 10):
        s3.delete_object(Bucket=name, Key=key)
        keys.discard(key)
    return name, sorted(keys, key=str.encode), choose.random()


@pytest.mark.parametrize("walk", [walk_v2, walk_v1])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_a_walk_with_pages_of_one_loses_nothing(s3, filled, walk, delimiter):
    name, keys, _ = filled
    assert walk(s3, name, "", delimiter, "", 1) == model(keys, "", delimiter, "")


def test_random_walks(s3, filled):
    name, keys, seed = filled
    choose = random.Random(seed)
    for _ in range(WALKS):
        key = choose.choice(keys)
        prefix = choose.choice(["", "", key[: choose.randint(0, len(key))], "".join(choose.choices(ALPHABET, k=2))])
        delimiter = choose.choice(["", "/", "/", "a", "ab", "a/", "é", "//"])
        after = choose.choice(["", "", key, key[: choose.randint(0, len(key))], "".join(choose.choices(ALPHABET, k=3))])
        size = choose.choice([1, 2, 3, 5, 1000])
        case = (prefix, delimiter, after, size)
        assert walk_v2(s3, name, *case) == model(keys, prefix, delimiter, after), case


def test_random_walks_of_v1(s3, filled):
    name, keys, seed = filled
    choose = random.Random(seed + 1)
    for _ in range(WALKS // 2):
        key = choose.choice(keys)
        prefix = choose.choice(["", key[: choose.randint(0, len(key))]])
        delimiter = choose.choice(["", "/", "a", "ab"])
        size = choose.choice([1, 2, 7])
        case = (prefix, delimiter, "", size)
        assert walk_v1(s3, name, *case) == model(keys, prefix, delimiter, ""), case
