"""What the models allow is what the gateway does: limits, names of events and classes, defaults."""

import typing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dolmen.gateway.delivery import targets
from dolmen.gateway.iam import limits
from dolmen.gateway.lifecycle import records, rules
from dolmen.gateway.s3 import cors, notification, object_lock, storage_classes, tagging, website
from dolmen.operator.model import bucket, gateway, lifecycle, notifications, references, user
from dolmen.operator.model import storage_classes as model_classes
from dolmen.operator.model import website as model_website
from dolmen.operator.model.errors import InvalidResource
from dolmen.operator.model.grant import ReferenceGrant, is_granted
from dolmen.operator.model.redundancy import DEFAULT_REDUNDANCY, ErasureCode, Redundancy


def test_limits_are_those_of_the_gateway():
    assert bucket.CORS_RULES_MAX == cors.RULES_MAX
    assert bucket.TAGS_MAX == tagging.BUCKET_TAGS_MAX
    assert (lifecycle.TAG_KEY_MAX, lifecycle.TAG_VALUE_MAX) == (tagging.KEY_CHARACTERS_MAX, tagging.VALUE_CHARACTERS_MAX)
    assert (bucket.LOCK_DAYS_MAX, bucket.LOCK_YEARS_MAX) == (object_lock.DEFAULT_DAYS_MAX, object_lock.DEFAULT_YEARS_MAX)
    assert lifecycle.RULES_MAX <= rules.RULES_MAX
    assert (lifecycle.DAYS_MAX, lifecycle.SIZE_MAX, lifecycle.NEWER_MAX) == (rules.DAYS_MAX, rules.SIZE_MAX, rules.NEWER_MAX)
    assert notifications.CONFIGURATIONS_MAX == notification.CONFIGURATIONS_MAX
    assert model_website.ROUTING_RULES_MAX == website.ROUTING_RULES_MAX
    assert user.KEYS_MAX == limits.ACCESS_KEYS_OF_USER_MAX
    assert user.POLICIES_MAX == limits.ATTACHED_POLICIES_MAX


def test_names_are_those_of_the_gateway():
    assert set(typing.get_args(model_classes.StorageClass)) == storage_classes.STORAGE_CLASSES
    assert set(typing.get_args(model_classes.TransitionClass)) == records.TRANSITION_CLASSES
    for event in typing.get_args(notifications.Event):
        assert notification.events_meant(event)
    assert notification.target_of_arn(notifications.target_arn("hooks_1")) == "hooks_1"
    assert gateway.TARGETS_MAX == targets.TARGETS_MAX


def test_default_redundancy_is_that_of_the_programs():
    assert (DEFAULT_REDUNDANCY.ec.data, DEFAULT_REDUNDANCY.ec.parity) == (4, 2)
    assert DEFAULT_REDUNDANCY.domains_min == 3


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 16), st.integers(1, 8), st.integers(0, 8))
def test_fewest_domains_keep_the_promise(data, parity, loss):
    made = Redundancy(ec=ErasureCode(data=data, parity=parity), max_domain_loss=loss)
    if loss > parity:
        with pytest.raises(InvalidResource):
            assert made.domains_min
        return
    most = made.domains_min
    assert -(-made.fragments // most) * loss <= parity or loss == 0
    if most > 1:
        assert -(-made.fragments // (most - 1)) * loss > parity


def test_copies_are_one_and_parity():
    made = Redundancy(replicas=3)
    assert (made.fragments, made.parity, made.domains_min) == (3, 2, 2)
    with pytest.raises(InvalidResource):
        assert Redundancy().fragments


def test_names_that_are_not_set_follow_from_the_object():
    def made(namespace, name, user_name=None):
        raw = {"metadata": {"namespace": namespace, "name": name}, "spec": {"clusterRef": {"name": "prod"}, "userName": user_name}}
        return msgspec.convert(raw, user.ObjectUser)

    assert made("apps", "alice").user_name == "apps-alice"
    assert made("apps", "alice", "Alice").user_name == "Alice"
    assert made("a-b", "c").user_name != made("a", "b-c").user_name
    assert len(made("n" * 63, "u" * 253).user_name) <= user.USER_NAME_MAX
    assert references.secret_name(references.SecretOutput(), "alice") == "alice-credentials"
    assert references.secret_name(references.SecretOutput(name="mine"), "alice") == "mine"
    assert len(references.secret_name(references.SecretOutput(), "a" * 253)) <= 63


def test_grants():
    grant = msgspec.convert(
        {
            "metadata": {"namespace": "storage"},
            "spec": {"from": [{"kind": "Bucket", "namespace": "apps"}], "to": [{"name": "prod"}]},
        },
        ReferenceGrant,
    )
    asked = {"from_kind": "Bucket", "from_namespace": "apps", "cluster": "prod", "cluster_namespace": "storage"}
    assert is_granted([grant], **asked)
    for change in (
        {"from_kind": "ObjectUser"},
        {"from_namespace": "others"},
        {"cluster": "test"},
        {"cluster_namespace": "elsewhere"},
    ):
        assert not is_granted([grant], **asked | change)
    assert not is_granted([], **asked)
    assert is_granted([], **asked | {"from_namespace": "storage"})
