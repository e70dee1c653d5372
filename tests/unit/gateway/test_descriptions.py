"""What a write says of its object: bounded whatever the client sends, and left out in the documented order."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.core.cluster_map import Pool
from dolmen.core.fragment import DESCRIPTION_BYTES_MAX, KEY_INLINE_BYTES_MAX
from dolmen.gateway.metadata.records import Attributes, BucketRecord, Checksum, Encryption, Lock, MutablePart, PartSummary
from dolmen.gateway.objects import description
from dolmen.gateway.objects.description import LESS_WANTED, ObjectFacts, UploadFacts, decode_description, encode_description

BUCKET = BucketRecord(name="acme:photos", bucket_id=bytes(16), owner="1" * 12, region="us-east-1", created_us=1 << 50)
POOL = Pool(storage_classes=(), k=4, m=2, stripe_bytes=2 << 20, min_fragment_bytes=128 << 10)
LOCK = Lock("COMPLIANCE", 1 << 51, True)


def facts_of(attributes=None, mutable=None, upload=None):
    return ObjectFacts("1" * 12, attributes or Attributes(), mutable or MutablePart(), 4096, "CRC64NVME", upload)


def described(facts, key=b"key"):
    raw = encode_description(BUCKET, key, POOL, facts)
    assert len(raw) <= DESCRIPTION_BYTES_MAX
    return decode_description(raw)


def test_everything_that_fits_comes_back():
    attributes = Attributes(content_type="text/plain", user_metadata={"a": "b"}, storage_class="STANDARD_IA")
    mutable = MutablePart(tags={"t": "u"}, acl=b"acl", lock=LOCK, encryption=Encryption(algorithm="AES256", sealed_key=b"s" * 60))
    upload = UploadFacts("u" * 40, 1 << 50, "1" * 12, "SHA256", "COMPOSITE")
    found = described(facts_of(attributes, mutable, upload))
    assert found.facts == facts_of(attributes, mutable, upload)
    assert (found.bucket.name, found.bucket.created_us, found.stripe_bytes) == ("acme:photos", 1 << 50, 2 << 20)
    assert (found.key, found.left_out) == (b"", ())


def test_a_key_too_long_for_the_fragment_is_in_the_description():
    assert described(facts_of(), b"k" * KEY_INLINE_BYTES_MAX).key == b""
    assert described(facts_of(), b"k" * 1024).key == b"k" * 1024


def test_grants_go_first_and_user_metadata_stays_when_that_is_enough():
    attributes = Attributes(user_metadata={"name": "v" * 2000})
    found = described(facts_of(attributes, MutablePart(acl=b"g" * 3000, tags={"a": "b"}, lock=LOCK)))
    assert found.left_out == ("acl",)
    assert found.facts.mutable == MutablePart(tags={"a": "b"}, lock=LOCK)
    assert found.facts.attributes == attributes


def test_what_is_small_is_kept_when_something_large_goes():
    mutable = MutablePart(acl=b"small", tags={"a": "b"})
    found = described(facts_of(Attributes(user_metadata={"name": "v" * 4000}), mutable))
    assert found.left_out == ("user_metadata",)
    assert found.facts.mutable == mutable


def test_encryption_is_the_last_to_go_and_is_named():
    encryption = Encryption(algorithm="aws:kms", key_id="k", sealed_key=b"s" * 60, context="c" * 8000)
    found = described(facts_of(mutable=MutablePart(encryption=encryption, tags={"a": "b"})))
    assert found.left_out == ("encryption",)
    assert found.facts.mutable == MutablePart(tags={"a": "b"})


def test_parts_of_a_moved_object_first_lose_their_checksums():
    parts = tuple(PartSummary(number, 5 << 20, Checksum("SHA256", "x" * 44)) for number in range(1, 101))
    found = described(facts_of(Attributes(parts=parts)))
    assert found.left_out == ("part_checksums",)
    assert [(part.number, part.size) for part in found.facts.attributes.parts] == [(part.number, 5 << 20) for part in parts]


def test_nonsense_and_formats_of_the_future_are_no_description():
    assert decode_description(b"") is None
    assert decode_description(b"\xc1nonsense") is None
    raw = encode_description(BUCKET, b"k", POOL, facts_of())
    future = msgspec.structs.replace(decode_description(raw), format=2)
    assert decode_description(msgspec.msgpack.encode(future)) is None


texts = st.text(max_size=700)


@settings(deadline=None, max_examples=40)
@given(
    key=st.binary(min_size=1, max_size=1024),
    user_metadata=st.dictionaries(texts, texts, max_size=4),
    tags=st.dictionaries(texts, texts, max_size=10),
    acl=st.binary(max_size=4000),
    headers=st.lists(texts, min_size=6, max_size=6),
    context=st.text("abc", max_size=8192),
)
def test_whatever_clients_send_the_description_is_bounded_and_tells_what_it_lacks(key, user_metadata, tags, acl, headers, context):
    names = ("content_type", "cache_control", "content_disposition", "content_encoding", "content_language", "expires")
    attributes = Attributes(user_metadata=user_metadata, storage_class="GLACIER", **dict(zip(names, headers, strict=True)))
    encryption = Encryption(algorithm="aws:kms", sealed_key=b"s" * 60, context=context) if context else None
    facts = facts_of(attributes, MutablePart(tags=tags, acl=acl, lock=LOCK, encryption=encryption))
    found = described(facts, key)
    assert set(found.left_out) <= set(LESS_WANTED)
    assert found.facts == description._without(facts, found.left_out)
    assert (found.facts.attributes.storage_class, found.facts.mutable.lock) == ("GLACIER", LOCK)
    assert found.key == (key if len(key) > KEY_INLINE_BYTES_MAX else b"")
