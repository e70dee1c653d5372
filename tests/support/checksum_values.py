"""S3's ten checksums computed beside the store, for comparison."""

from __future__ import annotations

import base64
import hashlib
import zlib

from awscrt import checksums as crt


def big_endian(value, size):
    return value.to_bytes(size, "big")


def xxhash(make, body):
    hasher = make()
    hasher.update(body)
    return hasher.finalize()


DIGESTS = {
    "CRC32": lambda body: big_endian(zlib.crc32(body), 4),
    "CRC32C": lambda body: big_endian(crt.crc32c(body), 4),
    "CRC64NVME": lambda body: big_endian(crt.crc64nvme(body), 8),
    "SHA1": lambda body: hashlib.sha1(body).digest(),
    "SHA256": lambda body: hashlib.sha256(body).digest(),
    "SHA512": lambda body: hashlib.sha512(body).digest(),
    "MD5": lambda body: hashlib.md5(body).digest(),
    "XXHASH64": lambda body: xxhash(crt.XXHash.new_xxhash64, body),
    "XXHASH3": lambda body: xxhash(crt.XXHash.new_xxhash3_64, body),
    "XXHASH128": lambda body: xxhash(crt.XXHash.new_xxhash3_128, body),
}


def value(algorithm, body):
    """As S3 shows it."""
    return base64.b64encode(DIGESTS[algorithm](body)).decode()
