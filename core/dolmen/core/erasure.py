"""Reed-Solomon coding through pyeclib (`isa_l_rs_cauchy`): the only importer of pyeclib.

pyeclib puts an 80-byte header before each fragment and trusts it on decode; ours travel bare (identity and CRCs are in our
own framing, checked before anything gets here), so its headers are cut off after encode and put back before decode. They
depend only on (k', m, length, index) and are kept in a small cache. pyeclib holds the GIL: callers pass 1 MiB at most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pyeclib.ec_iface import ALL_EC_TYPES, VALID_EC_TYPES, ECDriver, ECDriverError
from typing_extensions import Buffer

from dolmen.core.errors import ConfigError, Corruption
from dolmen.core.layout import fragment_bytes

EC_TYPE = "isa_l_rs_cauchy"
PYECLIB_HEADER_BYTES = 80
ENCODE_BYTES_MAX = 8 << 20  # far above the 1 MiB stripes in use; a larger call would stall the event loop
_DRIVERS_MAX = 64  # (k', m) pairs: k' of every narrow width of a few schemes
_HEADERS_MAX = 256  # lengths met: full stripes, and the tails of recent objects being decoded


def require_isal() -> None:
    """Refuse to run on the fallback, which is 20 times slower. Raises ``ConfigError``."""
    if EC_TYPE not in ALL_EC_TYPES or EC_TYPE not in VALID_EC_TYPES:
        raise ConfigError("pyeclib has no ISA-L backend (isa_l_rs_cauchy) on this machine")


@lru_cache(maxsize=_DRIVERS_MAX)
def _driver(data_fragments: int, parity_fragments: int) -> ECDriver:
    try:
        return ECDriver(k=data_fragments, m=parity_fragments, ec_type=EC_TYPE)
    except ECDriverError as error:
        raise ConfigError(f"scheme {data_fragments}+{parity_fragments} cannot be coded") from error


def _padded(data: Buffer, size: int) -> bytes:
    """Zero-padded so that every fragment has its full, aligned length."""
    raw = bytes(data)
    return raw if len(raw) == size else raw.ljust(size, b"\0")


def encode(data: Buffer, data_fragments: int, parity_fragments: int) -> list[memoryview]:
    """k' + m payloads of ``fragment_bytes(len(data), k')`` each; the first k' joined are data and zero padding."""
    length = memoryview(data).nbytes
    if not 0 < length <= ENCODE_BYTES_MAX:
        raise ValueError(f"a stripe of {length} bytes cannot be encoded")
    size = fragment_bytes(length, data_fragments)
    padded = _padded(data, size * data_fragments)
    fragments = _driver(data_fragments, parity_fragments).encode(padded)
    return [memoryview(fragment)[PYECLIB_HEADER_BYTES:] for fragment in fragments]


@lru_cache(maxsize=_HEADERS_MAX)
def _headers(data_fragments: int, parity_fragments: int, size: int) -> tuple[bytes, ...]:
    """pyeclib's own header of each index for fragments of ``size`` bytes."""
    zeros = bytes(size * data_fragments)
    encoded = _driver(data_fragments, parity_fragments).encode(zeros)
    return tuple(fragment[:PYECLIB_HEADER_BYTES] for fragment in encoded)


def _framed(
    fragments: Mapping[int, Buffer], data_fragments: int, parity_fragments: int, size: int
) -> list[bytes]:
    headers = _headers(data_fragments, parity_fragments, size)
    if len(fragments) < data_fragments:
        raise Corruption(f"{len(fragments)} fragments cannot give back {data_fragments}")
    framed = []
    for index, payload in fragments.items():
        if memoryview(payload).nbytes != size:
            raise Corruption(f"fragment {index} is not {size} bytes long")
        framed.append(headers[index] + payload)
    return framed


def decode(
    fragments: Mapping[int, Buffer], data_fragments: int, parity_fragments: int, length: int
) -> list[memoryview]:
    """The k' data payloads from any k' fragments by index (parity from k' on). Raises ``Corruption``."""
    size = fragment_bytes(length, data_fragments)
    if all(index in fragments for index in range(data_fragments)):
        return [memoryview(fragments[index]) for index in range(data_fragments)]
    framed = _framed(fragments, data_fragments, parity_fragments, size)
    try:
        whole = memoryview(_driver(data_fragments, parity_fragments).decode(framed))
    except ECDriverError as error:
        raise Corruption(f"fragments do not decode: {error}") from error
    return [whole[index * size : (index + 1) * size] for index in range(data_fragments)]


def rebuild(
    fragments: Mapping[int, Buffer],
    wanted: Sequence[int],
    data_fragments: int,
    parity_fragments: int,
    length: int,
) -> dict[int, memoryview]:
    """The payloads of the indexes in ``wanted`` from any k' others. Raises ``Corruption``."""
    size = fragment_bytes(length, data_fragments)
    framed = _framed(fragments, data_fragments, parity_fragments, size)
    try:
        made = _driver(data_fragments, parity_fragments).reconstruct(framed, list(wanted))
    except ECDriverError as error:
        raise Corruption(f"fragments cannot be rebuilt: {error}") from error
    return {
        index: memoryview(fragment)[PYECLIB_HEADER_BYTES:]
        for index, fragment in zip(wanted, made, strict=True)
    }
