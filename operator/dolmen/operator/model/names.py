"""Names of what the operator makes, from names of users and values of node labels, which may be anything.

A name ends in a hash of all its parts whenever it does not tell them apart by itself: something was replaced or cut, a part behind
the first has a dash of its own, or the end looks like a hash. So different parts have different names, as long as their number is
the same: objects of one kind are named from one number of parts.
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import hashlib
import re

from dolmen.operator.model.errors import InvalidResource

LABEL_MAX = 63
# A StatefulSet's revision label is its name, a dash and ten characters; its pods add an ordinal.
STATEFUL_SET_MAX = 52
HASH_CHARACTERS = 10  # of 27: 2 * 10**14 values
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes' own suffixes: no vowels, no words
_HASH_END = re.compile(f"(?:^|-)[{_ALPHABET}]{{{HASH_CHARACTERS}}}$")
_LABEL = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_OUTSIDE_LABEL = re.compile(r"[^a-z0-9]+")
_OUTSIDE_VALUE = re.compile(r"[^A-Za-z0-9._-]+")


def short_hash(*parts: str) -> str:
    """Ten characters that tell ``parts`` from all others, also where they are cut: ("ab", "c") is not ("a", "bc")."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    number = int.from_bytes(digest.digest(), "big")
    characters = []
    for _ in range(HASH_CHARACTERS):
        number, index = divmod(number, len(_ALPHABET))
        characters.append(_ALPHABET[index])
    return "".join(characters)


def dns_label(*parts: str, most: int = LABEL_MAX) -> str:
    """A DNS-1123 label that begins with a letter (Services want that), at most ``most`` characters.

    Raises ``InvalidResource`` without parts, or with an empty one.
    """
    if not parts or not all(parts):
        raise InvalidResource("a name needs parts that are not empty")
    plain = "-".join(parts)
    is_plain = _LABEL.fullmatch(plain) is not None and not any("-" in part for part in parts[1:])
    if is_plain and len(plain) <= most and _HASH_END.search(plain) is None:
        return plain
    readable = "-".join(filter(None, (_OUTSIDE_LABEL.sub("-", part.lower()).strip("-") for part in parts)))
    if not readable[:1].isalpha():
        readable = f"d{readable}"
    return _with_hash(readable, most, parts)


def stateful_set_name(cluster: str, pool: str, domain: str) -> str:
    """Of the datanodes of a pool in one failure domain; always with a hash, since domains come and go."""
    readable = "-".join(_OUTSIDE_LABEL.sub("-", part.lower()).strip("-") for part in (cluster, pool))
    if not readable[:1].isalpha():
        readable = f"d{readable}"
    return _with_hash(readable, STATEFUL_SET_MAX, (cluster, pool, domain))


def label_value(raw: str) -> str:
    """``raw`` where it may be a label's value, else what is readable of it with a hash."""
    if _LABEL_VALUE.fullmatch(raw) is not None and _HASH_END.search(raw) is None:
        return raw
    readable = _OUTSIDE_VALUE.sub("-", raw).strip("-_.") or "x"
    return _with_hash(readable, LABEL_MAX, (raw,))


def _with_hash(readable: str, most: int, parts: tuple[str, ...]) -> str:
    kept = readable[: most - HASH_CHARACTERS - 1].rstrip("-_.")
    return f"{kept}-{short_hash(*parts)}"
