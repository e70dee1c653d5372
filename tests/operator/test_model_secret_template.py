"""Secrets of users: default keys, templates without code, shared credentials files."""

import configparser

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.operator.model import references, secret_template
from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.secret_template import Credentials, check_template, render, shared_credentials

SECRET = "wJalr+/{{ .region }}"
FULL = Credentials("AKIDEXAMPLE", SECRET, "https://s3.example.com", "us-east-1", "photos", "alice")


def test_default_keys_are_those_of_sdks():
    assert render(None, FULL) == {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": "https://s3.example.com",
        "AWS_REGION": "us-east-1",
        "BUCKET_NAME": "photos",
    }


def test_a_user_without_a_bucket_has_no_bucket_name():
    assert "BUCKET_NAME" not in render(None, FULL._replace(bucket=None))
    with pytest.raises(InvalidResource, match=r"url: \.bucket has no value"):
        render({"url": "{{ .endpoint }}/{{ .bucket }}"}, FULL._replace(bucket=None))


def test_template_is_filled_once():
    """A secret that looks like a placeholder stays what it is."""
    made = render({"a": "{{ .secretAccessKey }}:{{.user}}", "b": "{ not } one"}, FULL)
    assert made == {"a": f"{SECRET}:alice", "b": "{ not } one"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ .password }}", "unknown placeholder .password; there are .accessKeyID"),
        ("{{ .AccessKeyID }}", "unknown placeholder .AccessKeyID"),
        ("{{ accessKeyID }}", "only placeholders"),
        ("{{ .accessKeyID | base64 }}", "only placeholders"),
        ("{{ if .bucket }}x{{ end }}", "only placeholders"),
        ("{{ .accessKeyID", "only placeholders"),
        ("}}", "only placeholders"),
        ("{{ .accessKeyID }}" * 65, "more than 64"),
        ("x" * 8193, "longer than 8192"),
    ],
)
def test_what_is_no_template_is_refused_with_its_key(text, why):
    with pytest.raises(InvalidResource) as refused:
        check_template({"fine": "{{ .region }}", "config": text})
    assert "secret template config: " in str(refused.value)
    assert why in str(refused.value)


def test_keys_are_keys_of_secrets():
    for key in ("a/b", "", "a" * 254, "é", "a\n"):
        with pytest.raises(InvalidResource, match="cannot be a key"):
            check_template({key: "x"})
    with pytest.raises(InvalidResource, match="more than 32 keys"):
        check_template({f"k{number}": "x" for number in range(33)})


def test_secret_is_bounded():
    with pytest.raises(InvalidResource, match="larger") as refused:
        render({f"k{number}": "{{ .secretAccessKey }}" * 64 for number in range(32)}, FULL._replace(secret_access_key="s" * 1000))
    assert "sss" not in str(refused.value)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="{} .accessKeyIDx", max_size=40))
def test_any_text_is_filled_or_refused(text):
    try:
        made = render({"a": text}, FULL)["a"]
    except InvalidResource:
        return
    assert "{{" not in made or "{{" in SECRET


def test_shared_credentials_are_read_by_parsers():
    parser = configparser.RawConfigParser()
    parser.read_string(shared_credentials(FULL, "dolmen"))
    assert dict(parser["dolmen"]) == {
        "aws_access_key_id": "AKIDEXAMPLE",
        "aws_secret_access_key": SECRET,
        "endpoint_url": "https://s3.example.com",
        "region": "us-east-1",
    }
    assert "\nregion" not in shared_credentials(FULL._replace(region=None))


def test_no_line_can_be_smuggled_into_a_shared_credentials_file():
    with pytest.raises(InvalidResource) as refused:
        shared_credentials(FULL._replace(secret_access_key="hidden\nregion = elsewhere"))
    assert "hidden" not in str(refused.value)
    with pytest.raises(InvalidResource):
        shared_credentials(FULL, "a]\n[b")


def test_bounds_of_schema_and_template_are_the_same():
    fields = {one.encode_name: one for one in msgspec.inspect.type_info(references.SecretOutput).fields}
    (mapping, _) = fields["template"].type.types
    mapping = getattr(mapping, "type", mapping)
    value = getattr(mapping.value_type, "type", mapping.value_type)
    assert mapping.max_length == secret_template.TEMPLATE_KEYS_MAX
    assert value.max_length == secret_template.TEXT_MAX
