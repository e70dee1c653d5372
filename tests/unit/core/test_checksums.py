"""Checksums against known answers and against themselves in pieces."""

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.core.checksums import block_crcs, combine, composite, crc32c, joined_crc, new_hasher

CHECK = b"123456789"  # the catalogue of CRCs gives each one's value for this text
KNOWN = {"CRC32": "cbf43926", "CRC32C": "e3069283", "CRC64NVME": "ae8b14860a799888"}


def digest_of(algorithm, data):
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return hasher.digest()


@pytest.mark.parametrize("algorithm", KNOWN)
def test_known_answers(algorithm):
    assert digest_of(algorithm, CHECK).hex() == KNOWN[algorithm]


def test_hashes_are_the_usual_ones():
    assert digest_of("SHA256", CHECK) == hashlib.sha256(CHECK).digest()
    assert digest_of("SHA1", CHECK) == hashlib.sha1(CHECK).digest()
    assert digest_of("MD5", CHECK) == hashlib.md5(CHECK).digest()
    assert digest_of("CRC32", CHECK) == zlib.crc32(CHECK).to_bytes(4, "big")
    with pytest.raises(ValueError, match="unknown"):
        new_hasher("CRC16")


@given(st.sampled_from(sorted(KNOWN)), st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_crcs_of_parts_combine_into_that_of_the_whole(algorithm, parts):
    whole = digest_of(algorithm, b"".join(parts))
    assert combine(algorithm, [(digest_of(algorithm, part), len(part)) for part in parts]) == whole


@given(st.sampled_from(["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "MD5"]), st.binary(max_size=500), st.integers(0, 500))
def test_any_cut_gives_the_same_digest(algorithm, data, cut):
    hasher = new_hasher(algorithm)
    hasher.update(memoryview(data)[:cut])
    hasher.update(bytearray(data[cut:]))
    assert hasher.digest() == digest_of(algorithm, data)


def test_composites_and_blocks():
    digests = [digest_of("SHA256", b"a"), digest_of("SHA256", b"b")]
    assert composite("SHA256", digests) == hashlib.sha256(b"".join(digests)).digest()
    data = bytes(range(256)) * 300
    assert block_crcs(data) == (crc32c(data[:65536]), crc32c(data[65536:]))
    assert block_crcs(b"") == ()


@given(st.lists(st.sampled_from([1, 16, 65535, 65536, 65537, 200_000]), max_size=4), st.integers(0, 255))
def test_crcs_of_blocks_join_into_that_of_the_whole(sizes, fill):
    parts = [bytes([(fill + number) % 256]) * size for number, size in enumerate(sizes)]
    assert joined_crc((block_crcs(part), len(part)) for part in parts) == crc32c(b"".join(parts))
