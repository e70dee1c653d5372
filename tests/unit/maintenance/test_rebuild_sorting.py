"""Sorting beyond memory: the same order whatever fits, runs merged when they become many, scratch files gone."""

import msgspec
import pytest

from dolmen.gateway.maintenance.rebuild import sorting
from dolmen.gateway.maintenance.rebuild.sorting import Sorter


class Item(msgspec.Struct, frozen=True, array_like=True):
    number: int


@pytest.mark.parametrize("bytes_max", [1, 40, 400, 1 << 20])
def test_items_come_in_the_order_of_their_keys_and_equal_keys_as_they_came(tmp_path, monkeypatch, bytes_max):
    monkeypatch.setattr(sorting, "RUNS_MAX", 4)
    sorter = Sorter(Item, tmp_path, bytes_max=bytes_max)
    keys = [(number * 7919) % 101 for number in range(300)]
    for number, key in enumerate(keys):
        sorter.add(key.to_bytes(2, "big"), Item(number))
    wanted = sorted(range(300), key=keys.__getitem__)
    assert [item.number for item in sorter] == wanted
    assert [item.number for _, item in sorter.keyed()] == wanted, "it can be read again"
    assert sorter.count == 300
    assert len(list(tmp_path.rglob("run-*"))) <= 5, "merged runs are gone"


def test_two_sorters_share_a_directory(tmp_path):
    first, second = Sorter(Item, tmp_path, bytes_max=1), Sorter(Item, tmp_path, bytes_max=1)
    first.add(b"a", Item(1))
    second.add(b"a", Item(2))
    assert ([item.number for item in first], [item.number for item in second]) == ([1], [2])
    assert not list(Sorter(Item, tmp_path))
