"""What S3 wants of a bucket policy beyond the grammar, with the texts of its MalformedPolicy.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-policy-language-overview.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dolmen.gateway.auth.policy.actions import ACTIONS_OF_KEY, BUCKET, OBJECT, is_condition_key
from dolmen.gateway.auth.policy.conditions import Condition
from dolmen.gateway.auth.policy.errors import PolicyError
from dolmen.gateway.auth.policy.matching import ActionSet, ResourceSet, glob_of
from dolmen.gateway.auth.policy.pattern import ANY, ArnPattern, Glob, Variable, could_begin

POLICY_BYTES_MAX = 20 * 1024  # S3's limit, of the normalised text

_OBJECT_LEVEL = "object"
_BUCKET_LEVEL = "bucket"


def check_elements(raw: Mapping[str, object]) -> None:
    """The elements that every statement has."""
    for name in ("Effect", "Principal", "Action", "Resource"):
        if name not in raw and f"Not{name}" not in raw:
            raise PolicyError(f"Missing required field {name}")


def check_action(text: str) -> None:
    """One of S3's actions, or a pattern that matches at least one."""
    if not levels_of(text.lower()):
        raise PolicyError("Policy has invalid action")


def levels_of(action: str) -> Collection[str]:
    """The kinds of resources on which an action, or those that a pattern matches, acts."""
    if action in OBJECT:
        return (_OBJECT_LEVEL,)
    if action in BUCKET:
        return (_BUCKET_LEVEL,)
    if action in ("*", "s3:*"):
        return (_OBJECT_LEVEL, _BUCKET_LEVEL)
    if not action.startswith("s3:"):
        return ()
    glob = glob_of(action)
    found = []
    if any(map(glob.matches, OBJECT)):
        found.append(_OBJECT_LEVEL)
    if any(map(glob.matches, BUCKET)):
        found.append(_BUCKET_LEVEL)
    return found


def check_statement(
    actions: ActionSet | None,
    resources: ResourceSet | None,
    not_resources: ResourceSet | None,
    conditions: Iterable[Condition],
    bucket: str,
) -> None:
    """Actions, resources and conditions together. Raises ``PolicyError``."""
    listed = resources or not_resources
    assert listed is not None
    levels: set[str] = set()
    for pattern in listed.patterns:
        found = _levels_of_resource(pattern, bucket)
        if not found:
            raise PolicyError("Policy has invalid resource")
        levels.update(found)
    if actions is not None and resources is not None:
        for action in actions.listed:
            if levels.isdisjoint(levels_of(action)):
                raise PolicyError("Action does not apply to any resource(s) in statement")
    for condition in conditions:
        if not is_condition_key(condition.key):
            raise PolicyError("Policy has an invalid condition key")
        wanted = ACTIONS_OF_KEY.get(condition.key.lower())
        if wanted is not None and actions is not None:
            for action in actions.listed:
                glob = glob_of(action)
                if not any(map(glob.matches, wanted)):
                    raise PolicyError("Conditions do not apply to combination of actions and resources in statement")


def _levels_of_resource(pattern: ArnPattern, bucket: str) -> Collection[str]:
    """Whether the pattern matches the bucket itself and anything in it."""
    if pattern.everything:
        return (_OBJECT_LEVEL, _BUCKET_LEVEL)
    tenant, _, name = bucket.rpartition(":")
    if not pattern.could_be_in(("arn", "aws", "s3", ""), {"", tenant}):
        return ()
    resource = pattern.resource_tokens()
    found = []
    if Glob([ANY if isinstance(token, Variable) else token for token in resource]).matches(name):
        found.append(_BUCKET_LEVEL)
    if could_begin(resource, f"{name}/"):
        found.append(_OBJECT_LEVEL)
    return found
