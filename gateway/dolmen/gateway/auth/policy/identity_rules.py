"""What IAM wants of the policies of identities and of the trust policies of roles, with its texts.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_policies.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dolmen.gateway.auth.policy.errors import PolicyError

_SID = re.compile(r"[0-9A-Za-z]*", re.ASCII)
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+", re.ASCII)
_STS = re.compile(r"sts:(\*|[a-z*?]+)", re.ASCII)
_ARN = re.compile(r"arn:[^:]+(:.*)?", re.DOTALL)


def check_elements(raw: Mapping[str, object], sid: str, *, trust: bool) -> None:
    """Which elements there must be, and which not."""
    if not _SID.fullmatch(sid):
        raise PolicyError(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
        )
    has_principal = "Principal" in raw or "NotPrincipal" in raw
    if trust:
        for name in ("Resource", "NotResource"):
            if name in raw:
                raise PolicyError(f"Has prohibited field {name}")
        if not has_principal:
            raise PolicyError("Missing required field Principal")
    elif has_principal:
        raise PolicyError("Policy document should not specify a principal.")
    if "Action" not in raw and "NotAction" not in raw:
        raise PolicyError("Policy statement must contain actions.")
    if not trust and "Resource" not in raw and "NotResource" not in raw:
        raise PolicyError("Policy statement must contain resources.")


def check_action(text: str) -> None:
    if text != "*" and ":" not in text:
        raise PolicyError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
    if not _ACTION.fullmatch(text):
        raise PolicyError("The policy failed legacy parsing")


def check_trust_action(text: str) -> None:
    if not _STS.fullmatch(text.lower()):
        raise PolicyError("AssumeRole policy may only specify STS AssumeRole actions.")


def check_resource(text: str) -> None:
    if text != "*" and not _ARN.fullmatch(text):
        raise PolicyError(f'Resource {text[:200]} must be in ARN format or "*".')


def check_condition_key(key: str) -> None:
    vendor, colon, name = key.partition(":")
    if not colon or not vendor or not name:
        raise PolicyError("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
