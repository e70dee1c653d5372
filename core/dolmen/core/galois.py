"""ISA-L's Reed-Solomon kernels through ctypes, from the library that the pyeclib wheel carries: no copies, no GIL.

The code is that of liberasurecode's ``isa_l_rs_cauchy``: parity row i of ``gf_gen_cauchy1_matrix``. Only ``core/erasure.py``
uses this module; it compares a sample with pyeclib's own call before it trusts it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyeclib

from dolmen.core.process import new_buffer

LIBRARY_PATTERN = "libisal*.so*"
TABLE_BYTES = 32  # of each coefficient, expanded for the vector kernels
_CODES_MAX = 512  # expanded tables kept: every narrow width, and the patterns of loss met while disks are away


class IsaL:
    """The functions we use of one loaded library. All operate on buffers of equal length."""

    def __init__(self, path: str) -> None:
        """Raises ``OSError`` or ``AttributeError`` when ``path`` is not such a library."""
        library = ctypes.CDLL(path)  # calls release the GIL
        integer, address = ctypes.c_int, ctypes.c_void_p
        self._matrix = library.gf_gen_cauchy1_matrix
        self._matrix.argtypes, self._matrix.restype = [address, integer, integer], None
        self._invert = library.gf_invert_matrix
        self._invert.argtypes, self._invert.restype = [address, address, integer], integer
        self._multiply = library.gf_mul
        self._multiply.argtypes, self._multiply.restype = [ctypes.c_ubyte, ctypes.c_ubyte], ctypes.c_ubyte
        self._init_tables = library.ec_init_tables
        self._init_tables.argtypes, self._init_tables.restype = [integer, integer, address, address], None
        self._encode = library.ec_encode_data
        self._encode.argtypes, self._encode.restype = [integer, integer, integer, address, address, address], None
        self.encode_tables = lru_cache(maxsize=_CODES_MAX)(self._encode_tables)
        self.recover_tables = lru_cache(maxsize=_CODES_MAX)(self._recover_tables)

    def _rows(self, k: int, m: int) -> list[bytes]:
        """The generator matrix: k rows of identity, m of parity."""
        raw = ctypes.create_string_buffer((k + m) * k)
        self._matrix(raw, k + m, k)
        return [raw.raw[row * k : (row + 1) * k] for row in range(k + m)]

    def _tables(self, k: int, rows: Sequence[bytes]) -> ctypes.Array[ctypes.c_char]:
        tables = ctypes.create_string_buffer(TABLE_BYTES * k * len(rows))
        self._init_tables(k, len(rows), b"".join(rows), tables)
        return tables

    def _encode_tables(self, k: int, m: int) -> ctypes.Array[ctypes.c_char]:
        return self._tables(k, self._rows(k, m)[k:])

    def _recover_tables(self, k: int, m: int, have: tuple[int, ...], wanted: tuple[int, ...]) -> ctypes.Array[ctypes.c_char]:
        """Tables that make the fragments ``wanted`` from the k fragments ``have``. Raises ``ValueError``."""
        rows = self._rows(k, m)
        inverse = ctypes.create_string_buffer(k * k)
        square = ctypes.create_string_buffer(b"".join(rows[index] for index in have), k * k)  # the call overwrites it
        if self._invert(square, inverse, k) != 0:
            raise ValueError(f"fragments {have} of {k}+{m} do not determine the others")
        columns = [inverse.raw[row * k : (row + 1) * k] for row in range(k)]
        return self._tables(k, [self._combined(rows[index], columns) for index in wanted])

    def _combined(self, row: bytes, columns: Sequence[bytes]) -> bytes:
        """``row`` times the inverse matrix."""
        out = bytearray(len(row))
        for factor, column in zip(row, columns, strict=True):
            for at, value in enumerate(column):
                out[at] ^= self._multiply(factor, value)
        return bytes(out)

    def run(self, tables: ctypes.Array[ctypes.c_char], sources: Sequence[memoryview], count: int) -> list[memoryview]:
        """``count`` outputs of ``tables`` from ``sources`` (equal lengths, their number as in the tables)."""
        size, k = len(sources[0]), len(sources)
        joined = new_buffer(count * size)
        outputs = [joined[index * size : (index + 1) * size] for index in range(count)]
        kept, addresses = _addresses([*sources, joined])
        first = addresses[k]
        inputs = (ctypes.c_void_p * k)(*addresses[:k])
        targets = (ctypes.c_void_p * count)(*(first + index * size for index in range(count)))
        self._encode(size, k, count, tables, inputs, targets)
        del kept
        return outputs


def _addresses(views: Sequence[memoryview]) -> tuple[list[object], list[int]]:
    """Where the bytes are, and what keeps them there; read-only views are copied."""
    kept: list[object] = []
    addresses = []
    for view in views:
        held = (ctypes.c_char * len(view)).from_buffer_copy(view) if view.readonly else ctypes.c_char.from_buffer(view)
        kept.append(held)
        addresses.append(ctypes.addressof(held))
    return kept, addresses


def load() -> IsaL | None:
    """The library beside pyeclib; None when there is none that can be used."""
    package = Path(pyeclib.__file__ or "").parent
    for path in sorted((package.parent / "pyeclib.libs").glob(LIBRARY_PATTERN)):
        try:
            return IsaL(str(path))
        except (OSError, AttributeError):
            continue
    return None
