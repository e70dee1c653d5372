"""The URL of a Cassandra cluster: what it means, and that a bad one is told in one line that shows no secret."""

import pytest

from dolmen.core.errors import ConfigError
from dolmen.gateway.metadata.cassandra.address import CassandraAddress, parse_address, parse_credentials
from dolmen.gateway.metadata.cassandra.dialect import DIALECTS


def test_a_host_and_a_keyspace_are_enough():
    assert parse_address("cassandra://db/dolmen") == CassandraAddress(
        contact_points=(("db", 9042),),
        keyspace="dolmen",
        local_dc="datacenter1",
        credentials_file=None,
        replication_min=3,
        cache_seconds=1.0,
        dialect=DIALECTS["cassandra"],
    )


def test_everything_can_be_said():
    url = (
        "cassandra://db-1:9043,10.0.0.2,[2001:db8::1]:9044,[::1]/d_2?local_dc=eu-west.1&credentials_file=/etc/a%20b&tls_ca_file=/ca"
        "&tls_certificate_file=/crt&tls_key_file=/key&replication_min=5&cache_seconds=0&dialect=scylla"
    )
    assert parse_address(url) == CassandraAddress(
        contact_points=(("db-1", 9043), ("10.0.0.2", 9042), ("2001:db8::1", 9044), ("::1", 9042)),
        keyspace="d_2",
        local_dc="eu-west.1",
        credentials_file="/etc/a b",
        tls_ca_file="/ca",
        tls_certificate_file="/crt",
        tls_key_file="/key",
        replication_min=5,
        cache_seconds=0.0,
        dialect=DIALECTS["scylla"],
    )


def test_a_contact_point_that_is_named_twice_is_asked_once():
    assert parse_address("cassandra://a,a:9042,b/k").contact_points == (("a", 9042), ("b", 9042))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://db/k", "cassandra://HOST"),
        ("db/k", "cassandra://HOST"),
        ("cassandra://[::1/k", "no URL"),
        ("cassandra:///k", "no contact point"),
        ("cassandra://a,,b/k", "no contact point"),
        ("cassandra://a b/k", "no contact point"),
        ("cassandra://2001:db8::1/k", "no contact point"),
        ("cassandra://a:0/k", "no port"),
        ("cassandra://a:65536/k", "no port"),
        ("cassandra://" + ",".join(f"h{number}" for number in range(65)) + "/k", "at most 64"),
        ("cassandra://a", "no keyspace"),
        ("cassandra://a/", "no keyspace"),
        ("cassandra://a/Upper", "no keyspace"),
        ("cassandra://a/1k", "no keyspace"),
        ("cassandra://a/k;drop", "no keyspace"),
        ("cassandra://a/k/more", "no keyspace"),
        ("cassandra://a/" + "k" * 49, "no keyspace"),
        ("cassandra://a/k#part", "without #"),
        ("cassandra://a/k?nonsense", "NAME=VALUE"),
        ("cassandra://a/k?user=me", "no parameter 'user'"),
        ("cassandra://a/k?local_dc=a&local_dc=b", "twice"),
        ("cassandra://a/k?local_dc=", "data centre"),
        ("cassandra://a/k?local_dc=a'b", "data centre"),
        ("cassandra://a/k?credentials_file=", "path"),
        ("cassandra://a/k?replication_min=0", "copies"),
        ("cassandra://a/k?replication_min=-1", "copies"),
        ("cassandra://a/k?replication_min=three", "copies"),
        ("cassandra://a/k?cache_seconds=-1", "seconds"),
        ("cassandra://a/k?cache_seconds=nan", "seconds"),
        ("cassandra://a/k?cache_seconds=1e9", "seconds"),
        ("cassandra://a/k?cache_seconds=61", "seconds"),
        ("cassandra://a/k?dialect=mysql", "none of cassandra, scylla"),
        ("cassandra://a/k?tls_ca_file=/ca&tls_key_file=/key", "belong together"),
        ("cassandra://a/k?tls_certificate_file=/c&tls_key_file=/key", "tls_ca_file"),
    ],
)
def test_a_bad_address_is_told_in_one_line(url, said):
    with pytest.raises(ConfigError) as told:
        parse_address(url)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("url", ["cassandra://me:hunter2@db/k", "cassandra://me@db/k?credentials_file=/p", "cassandra://:hunter2@db/k"])
def test_a_secret_in_the_address_is_refused_without_being_repeated(url):
    with pytest.raises(ConfigError) as told:
        parse_address(url)
    assert "credentials_file" in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("text", ["username=me\npassword=a=b c \n", "# who\n\npassword=a=b c \n username = me \n"])
def test_credentials_are_two_lines_in_any_order(text):
    assert parse_credentials(text) == ("me", "a=b c ")


@pytest.mark.parametrize(
    "text", ["", "me\nhunter2\n", "username=me\n", "username=me\npassword=\n", "username=me\npassword=hunter2\npassword=hunter2\n"]
)
def test_credentials_that_cannot_be_used_are_told_without_the_secret(text):
    with pytest.raises(ConfigError) as told:
        parse_credentials(text)
    assert "hunter2" not in str(told.value)
