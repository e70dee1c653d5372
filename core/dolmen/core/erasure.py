"""Reed-Solomon coding, `isa_l_rs_cauchy`. With ``core/galois.py``, which calls the kernels directly, the only importer of pyeclib.

The direct way is used when pyeclib's own call gives the same bytes for a sample, made once; otherwise pyeclib does it all:
the bytes on disks are the same either way (docs/decisions/0004). pyeclib puts an 80-byte header before each fragment and
trusts it on decode; ours travel bare (identity and CRCs are in our own framing, checked before anything gets here), so its
headers are cut off after encode and put back before decode. They depend only on (k', m, length, index) and are kept in a
small cache. pyeclib holds the GIL: callers pass 1 MiB at most.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache

from pyeclib.ec_iface import ALL_EC_TYPES, VALID_EC_TYPES, ECDriver, ECDriverError
from typing_extensions import Buffer

from dolmen.core import galois
from dolmen.core.errors import ConfigError, Corruption
from dolmen.core.layout import fragment_bytes

EC_TYPE = "isa_l_rs_cauchy"
PYECLIB_HEADER_BYTES = 80
ENCODE_BYTES_MAX = 8 << 20  # far above the 1 MiB stripes in use; a larger call would stall the event loop
_DRIVERS_MAX = 64  # (k', m) pairs: k' of every narrow width of a few schemes
_HEADERS_MAX = 256  # lengths met: full stripes, and the tails of recent objects being decoded
_SAMPLE_SCHEMES = ((1, 2), (4, 2), (8, 4))  # compared with pyeclib once in each process
_SAMPLE_BYTES = (16, 80, 4112)  # of a fragment: below and above the width of every vector unit, with a rest


def require_isal() -> None:
    """Refuse to run on the fallback, which is 20 times slower. Raises ``ConfigError``."""
    if EC_TYPE not in ALL_EC_TYPES or EC_TYPE not in VALID_EC_TYPES:
        raise ConfigError("pyeclib has no ISA-L backend (isa_l_rs_cauchy) on this machine")


@cache
def _direct() -> galois.IsaL | None:
    """The kernels themselves, when they are here and agree with pyeclib."""
    kernels = galois.load()
    if kernels is not None:
        for (k, m), size in itertools.product(_SAMPLE_SCHEMES, _SAMPLE_BYTES):
            sample = memoryview(bytearray((7 * at + (at >> 3)) % 256 for at in range(k * size)))
            sources = [sample[index * size : (index + 1) * size] for index in range(k)]
            made = kernels.run(kernels.encode_tables(k, m), sources, m)
            if made != [memoryview(part)[PYECLIB_HEADER_BYTES:] for part in _driver(k, m).encode(bytes(sample))[k:]]:
                return None
    return kernels


@lru_cache(maxsize=_DRIVERS_MAX)
def _driver(data_fragments: int, parity_fragments: int) -> ECDriver:
    try:
        return ECDriver(k=data_fragments, m=parity_fragments, ec_type=EC_TYPE)
    except ECDriverError as error:
        raise ConfigError(f"scheme {data_fragments}+{parity_fragments} cannot be coded") from error


def _data_fragments(data: memoryview, size: int, count: int) -> list[memoryview]:
    """``count`` payloads of ``size`` bytes: views of ``data``; what reaches beyond its end is copied and padded with zeros."""
    whole = len(data) // size
    fragments = [data[index * size : (index + 1) * size] for index in range(min(whole, count))]
    missing = count - len(fragments)
    if missing:
        tail = memoryview(bytearray(missing * size))
        rest = len(data) - whole * size
        tail[:rest] = data[whole * size :]
        fragments += [tail[index * size : (index + 1) * size] for index in range(missing)]
    return fragments


def encode(data: Buffer, data_fragments: int, parity_fragments: int) -> list[memoryview]:
    """k' + m payloads of ``fragment_bytes(len(data), k')`` each; the first k' joined are data and zero padding.

    The data payloads may be views of ``data``: it must not change while they are in use.
    """
    view = memoryview(data).cast("B")
    if not 0 < len(view) <= ENCODE_BYTES_MAX:
        raise ValueError(f"a stripe of {len(view)} bytes cannot be encoded")
    fragments = _data_fragments(view, fragment_bytes(len(view), data_fragments), data_fragments)
    if not parity_fragments:
        return fragments
    kernels = _direct()
    if kernels is not None:
        parity = kernels.run(kernels.encode_tables(data_fragments, parity_fragments), fragments, parity_fragments)
    else:
        made = _driver(data_fragments, parity_fragments).encode(b"".join(fragments))
        parity = [memoryview(fragment)[PYECLIB_HEADER_BYTES:] for fragment in made[data_fragments:]]
    return fragments + parity


@lru_cache(maxsize=_HEADERS_MAX)
def _headers(data_fragments: int, parity_fragments: int, size: int) -> tuple[bytes, ...]:
    """pyeclib's own header of each index for fragments of ``size`` bytes."""
    zeros = bytes(size * data_fragments)
    encoded = _driver(data_fragments, parity_fragments).encode(zeros)
    return tuple(fragment[:PYECLIB_HEADER_BYTES] for fragment in encoded)


def decode(
    fragments: Mapping[int, Buffer], data_fragments: int, parity_fragments: int, length: int
) -> list[memoryview]:
    """The k' data payloads from any k' fragments by index (parity from k' on). Raises ``Corruption``."""
    lost = [index for index in range(data_fragments) if index not in fragments]
    made = rebuild(fragments, lost, data_fragments, parity_fragments, length) if lost else {}
    return [made[index] if index in made else memoryview(fragments[index]) for index in range(data_fragments)]


def rebuild(
    fragments: Mapping[int, Buffer],
    wanted: Sequence[int],
    data_fragments: int,
    parity_fragments: int,
    length: int,
) -> dict[int, memoryview]:
    """The payloads of the indexes in ``wanted`` from any k' others. Raises ``Corruption``."""
    size = fragment_bytes(length, data_fragments)
    if len(fragments) < data_fragments:
        raise Corruption(f"{len(fragments)} fragments cannot give back {data_fragments}")
    for index, payload in fragments.items():
        if memoryview(payload).nbytes != size:
            raise Corruption(f"fragment {index} is not {size} bytes long")
    if not wanted:
        return {}
    kernels = _direct()
    if kernels is None:
        return _rebuild_pyeclib(fragments, wanted, data_fragments, parity_fragments, size)
    have = tuple(sorted(fragments)[:data_fragments])
    try:
        tables = kernels.recover_tables(data_fragments, parity_fragments, have, tuple(wanted))
    except (ValueError, IndexError) as error:
        raise Corruption(f"fragments cannot be rebuilt: {error}") from error
    made = kernels.run(tables, [memoryview(fragments[index]) for index in have], len(wanted))
    return dict(zip(wanted, made, strict=True))


def _rebuild_pyeclib(
    fragments: Mapping[int, Buffer], wanted: Sequence[int], data_fragments: int, parity_fragments: int, size: int
) -> dict[int, memoryview]:
    headers = _headers(data_fragments, parity_fragments, size)
    framed = [headers[index] + payload for index, payload in fragments.items()]
    try:
        made = _driver(data_fragments, parity_fragments).reconstruct(framed, list(wanted))
    except ECDriverError as error:
        raise Corruption(f"fragments cannot be rebuilt: {error}") from error
    return {
        index: memoryview(fragment)[PYECLIB_HEADER_BYTES:]
        for index, fragment in zip(wanted, made, strict=True)
    }
