"""Every way to lose m fragments decodes exactly, at every width and boundary."""

import itertools
import os

import pytest

from dolmen.core import erasure, galois
from dolmen.core.errors import Corruption
from dolmen.core.layout import fragment_bytes, narrow_k

WIDTHS = [(k, 2) for k in range(1, 5)] + [(k, 4) for k in range(1, 9)]


@pytest.fixture(params=["kernels", "pyeclib"])
def _way(request, monkeypatch):
    """Both ways to the same bytes."""
    if request.param == "pyeclib":
        monkeypatch.setattr(erasure, "_direct", lambda: None)


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize(("k", "m"), WIDTHS)
@pytest.mark.parametrize("around", [16, 4096])
def test_any_m_losses_decode_and_rebuild_exactly(k, m, around):
    for length in (1, k * around - 1, k * around, k * around + 1):
        data = os.urandom(length)
        fragments = erasure.encode(data, k, m)
        assert [len(fragment) for fragment in fragments] == [fragment_bytes(length, k)] * (k + m)
        for kept in itertools.combinations(range(k + m), k):
            have = {index: fragments[index] for index in kept}
            assert b"".join(erasure.decode(have, k, m, length))[:length] == data
        have = {index: fragments[index] for index in range(m, k + m)}
        rebuilt = erasure.rebuild(have, range(m), k, m, length)
        assert all(rebuilt[index] == fragments[index] for index in range(m))


@pytest.mark.parametrize(("k", "m"), WIDTHS)
def test_the_kernels_and_pyeclib_make_the_same_bytes(k, m, monkeypatch):
    assert erasure._direct() is not None, "the wheel's library is found and trusted"
    lengths = [1, 15, 16, 17, 16 * k - 1, 16 * k, 16 * k + 1, 4096 * k - 3, 70_001, 262_144]
    data = {length: os.urandom(length) for length in lengths}
    direct = {length: erasure.encode(data[length], k, m) for length in lengths}
    views = {length: erasure.encode(memoryview(bytearray(data[length])), k, m) for length in lengths}
    monkeypatch.setattr(erasure, "_direct", lambda: None)
    for length in lengths:
        assert erasure.encode(data[length], k, m) == direct[length] == views[length]
        have = {index: direct[length][index] for index in range(k + m) if index not in (0, k)}
        rebuilt = erasure.rebuild(have, [0, k], k, m, length)
        assert rebuilt == {0: direct[length][0], k: direct[length][k]}


def test_a_library_that_disagrees_is_not_used(monkeypatch):
    class Wrong(galois.IsaL):
        def _rows(self, k, m):
            rows = super()._rows(k, m)
            return [*rows[:-1], bytes(k)]

    path = next(iter((galois.Path(galois.pyeclib.__file__).parent.parent / "pyeclib.libs").glob(galois.LIBRARY_PATTERN)))
    monkeypatch.setattr(galois, "load", lambda: Wrong(str(path)))
    erasure._direct.cache_clear()
    try:
        assert erasure._direct() is None
    finally:
        erasure._direct.cache_clear()


@pytest.mark.usefixtures("_way")
def test_too_few_or_wrong_fragments_are_refused():
    fragments = erasure.encode(bytes(1000), 4, 2)
    with pytest.raises(Corruption):
        erasure.decode({0: fragments[0], 1: fragments[1], 5: fragments[5]}, 4, 2, 1000)
    short = {1: fragments[1], 2: fragments[2], 3: fragments[3], 4: fragments[4][:-1]}
    with pytest.raises(Corruption):
        erasure.decode(short, 4, 2, 1000)
    with pytest.raises(ValueError, match="cannot be encoded"):
        erasure.encode(b"", 4, 2)


def test_narrow_stripes_widen_with_the_size():
    assert [narrow_k(size, 4, 100) for size in (1, 100, 101, 300, 400, 401)] == [1, 1, 2, 3, 4, 4]


def test_the_real_backend_is_there():
    erasure.require_isal()
