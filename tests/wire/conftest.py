"""botocore as the oracle: its model, random values of its shapes, and what they are in our structures."""

import datetime
import random
import string
import types
from pathlib import Path

import botocore.loaders
import botocore.model
import msgspec
import pytest
from botocore import xform_name

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
KEYWORDS = {"and", "or", "not"}
# Texts in documents: everything XML 1.0 can hold. A carriage return is left to the tests of answers: botocore's serializer
# alone (without the client's hooks) writes it bare.
LETTERS = string.ascii_letters + string.digits + "&<>\"'/+%?#=~* \t\n" + "äß€\u2028日本😀"
HEADER_LETTERS = string.ascii_letters + string.digits + "&<>\"'/+%?#=~*-_.:"
ALIASES = {"Event": "Events"}  # a deprecated singular that is the same element
# The model calls these optional; S3 refuses a list without them.
NEEDED = {"CompletedMultipartUpload": {"Parts"}, "CompletedPart": {"ETag", "PartNumber"}}
OPEN_TEXTS = {"Expires", "ResponseExpires"}  # dates that are kept as text


class Values:
    """Random members of shapes, from one seed."""

    def __init__(self, seed, *, carriage_returns=False):
        self.random = random.Random(seed)
        self.letters = LETTERS + ("\r" if carriage_returns else "")

    def of(self, shape, name="", *, in_header=False):
        match shape.type_name:
            case "structure":
                return self.structure(shape)
            case "list":
                return [self.of(shape.member, in_header=in_header) for _ in range(self.random.randint(1, 3))]
            case "map":
                return {f"name-{n}": self.text(HEADER_LETTERS) for n in range(self.random.randint(1, 3))}
            case "timestamp":
                return EPOCH + datetime.timedelta(seconds=self.random.randrange(2**32))
            case "boolean":
                return self.random.random() < 0.5
            case "integer" | "long":
                return self.random.randint(1, 10_000 if name == "PartNumber" else 2**31 - 1)
            case "blob":
                return b"bytes"
        if name == "RequestRoute":  # becomes a part of the host's name
            return "route"
        if shape.metadata.get("enum"):
            return self.random.choice(shape.metadata["enum"])
        return self.text(HEADER_LETTERS if in_header else self.letters)

    def text(self, letters):
        return "".join(self.random.choice(letters) for _ in range(self.random.randint(1, 12)))

    def structure(self, shape):
        chosen = {}
        for name, member in shape.members.items():
            if ALIASES.get(name) in shape.members:
                continue
            needed = name in shape.required_members or name in NEEDED.get(shape.name, ()) or name == "MultipartUpload"
            if needed or self.random.random() < 0.5:
                place = member.serialization.get("location")
                chosen[name] = self.of(member, name, in_header=place in {"header", "headers", "uri"})
        return chosen


def python_name(name):
    found = xform_name(name)
    return found + "_" if found in KEYWORDS else found


def expected(shape, value):
    """``value`` of ``shape`` as our structures hold it, as plain dictionaries without what is None."""
    match shape.type_name:
        case "structure":
            members = {n: (shape.members[n], v) for n, v in value.items()}
            return {python_name(n): expected(s, v) for n, (s, v) in members.items() if s.type_name != "blob"}
        case "list":
            return [expected(shape.member, one) for one in value]
        case "timestamp" if shape.name in OPEN_TEXTS:
            return value.strftime("%a, %d %b %Y %H:%M:%S GMT")
        case "timestamp":
            return (value - EPOCH) // datetime.timedelta(microseconds=1)
    return value


def plain(value):
    """A structure as dictionaries, without what is None."""
    if isinstance(value, msgspec.Struct):
        found = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {name: one for name, one in found.items() if one is not None}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


def without_aliases(value):
    """botocore's parser reads an element into each of the members that it may be."""
    if isinstance(value, dict):
        found = {name: without_aliases(one) for name, one in value.items()}
        return {name: one for name, one in found.items() if ALIASES.get(name) not in found}
    return [without_aliases(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="session")
def wire():
    """The functions above, for tests."""
    names = (Values, expected, plain, python_name, without_aliases)
    return types.SimpleNamespace(**{one.__name__: one for one in names})


@pytest.fixture(scope="session")
def service_model():
    loaded = botocore.loaders.Loader().load_service_model("s3", "service-2")
    return botocore.model.ServiceModel(loaded, "s3")


@pytest.fixture(scope="session")
def root():
    return Path(__file__).resolve().parents[2]
