"""ListBuckets: the buckets of one account, page by page."""

import pytest


@pytest.fixture(scope="module")
def named(alice, new_name):
    """Seven buckets of alice with a prefix of their own, unsorted when made."""
    prefix = new_name()
    names = [f"{prefix}-{letter}" for letter in "gacebfd"]
    for name in names:
        alice.create_bucket(Bucket=name)
    return prefix, sorted(names)


def listed(answer):
    return [bucket["Name"] for bucket in answer["Buckets"]]


def test_all_in_order(alice, named):
    prefix, names = named
    answer = alice.list_buckets()
    found = listed(answer)
    assert found == sorted(found)
    assert [name for name in found if name.startswith(prefix)] == names
    assert answer["Owner"]["ID"] == "a" * 64
    assert "ContinuationToken" not in answer


def test_prefix(alice, named):
    prefix, names = named
    assert listed(alice.list_buckets(Prefix=prefix)) == names
    answer = alice.list_buckets(Prefix=f"{prefix}-c")
    assert listed(answer) == [f"{prefix}-c"]
    assert answer["Prefix"] == f"{prefix}-c"
    assert listed(alice.list_buckets(Prefix="no-bucket-begins-so")) == []


@pytest.mark.parametrize("size", [1, 2, 6, 7, 8])
def test_pages(alice, named, size):
    prefix, names = named
    found, token = [], None
    while True:
        more = {} if token is None else {"ContinuationToken": token}
        answer = alice.list_buckets(Prefix=prefix, MaxBuckets=size, **more)
        assert len(answer["Buckets"]) <= size
        assert all(bucket["BucketRegion"] == "us-east-1" for bucket in answer["Buckets"])
        found += listed(answer)
        token = answer.get("ContinuationToken")
        if token is None:
            break
    assert found == names


def test_region(alice, named):
    prefix, names = named
    assert listed(alice.list_buckets(Prefix=prefix, BucketRegion="us-east-1")) == names
    assert listed(alice.list_buckets(Prefix=prefix, BucketRegion="eu-west-1")) == []


@pytest.mark.parametrize("number", ["0", "10001", "-1", "abc"])
def test_page_sizes_out_of_range(raw, number):
    assert raw.request("GET", "/", [("max-buckets", number)]).told == (400, "InvalidArgument")


@pytest.mark.parametrize("token", ["garbage", "%FF", "", "A" * 5000])
def test_foreign_tokens(raw, token):
    assert raw.request("GET", "/", f"max-buckets=2&continuation-token={token}").status == 400


def test_nobody_sees_the_buckets_of_others(s3, alice, bob, bucket, named, new_name):
    prefix, _ = named
    assert listed(s3.list_buckets(Prefix=prefix)) == []
    assert bucket not in listed(alice.list_buckets())
    name = new_name()
    bob.create_bucket(Bucket=name)
    assert name in listed(bob.list_buckets())
    assert listed(bob.list_buckets(Prefix=name)) == [name]
    assert all(":" not in found for found in listed(bob.list_buckets()))
    assert name not in listed(s3.list_buckets())


def test_pages_of_a_tenant(bob, new_name):
    prefix = new_name()
    names = [f"{prefix}-{number}" for number in range(3)]
    for name in names:
        bob.create_bucket(Bucket=name)
    first = bob.list_buckets(Prefix=prefix, MaxBuckets=2)
    rest = bob.list_buckets(Prefix=prefix, MaxBuckets=2, ContinuationToken=first["ContinuationToken"])
    assert listed(first) + listed(rest) == names


def test_anonymous(anonymous):
    assert anonymous.request("GET", "/").told == (403, "AccessDenied")
