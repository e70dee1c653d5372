"""CEL rules of Bucket."""

from __future__ import annotations

from typing import Any

from dolmen.operator.crd.rule import Example, Rule, spec
from dolmen.operator.crd.rules_cluster import one_of
from dolmen.operator.model.bucket import NAME_MAX, NAME_MIN, RESERVED_PREFIXES, RESERVED_SUFFIXES

KIND = "Bucket"
_RULE = "spec.lifecycle[]"
_IP_ADDRESS = "^[0-9]{1,3}([.][0-9]{1,3}){3}$"
_LOCK = {"objectLock": {"enabled": True}, "versioning": "Enabled"}


def _name_rule(name: str) -> str:
    """What a pattern cannot say of a bucket's name."""
    parts = [f"!{name}.contains('..')", f"!{name}.matches('{_IP_ADDRESS}')"]
    parts += [f"!{name}.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES]
    parts += [f"!{name}.endsWith('{suffix}')" for suffix in RESERVED_SUFFIXES]
    return " && ".join(parts)


def _rules(**changes: Any) -> Any:  # noqa: ANN401 - any JSON
    rule = {"id": "old", "expiration": {"days": 30}} | changes
    return spec(lifecycle=[{key: value for key, value in rule.items() if value is not None}])


_EFFECTIVE = "(has({0}.spec.name) ? {0}.spec.name : {0}.metadata.name)"
_NAMES = (
    Rule(
        name="bucket-name",
        kind=KIND,
        path="spec",
        rule=f"!has(self.name) || ({_name_rule('self.name')})",
        message=(
            "S3 reserves this name: choose one without '..', that is no IP address, does not begin with xn--, sthree- or "
            "amzn-s3-demo-, and does not end with -s3alias, --ol-s3, .mrap, --x-s3 or --table-s3"
        ),
        field_path=".name",
        accepts=Example(spec(name="photos.example.com")),
        refuses=Example(spec(name="192.168.0.1")),
    ),
    Rule(
        name="bucket-name-of-object",
        kind=KIND,
        path="",
        rule=(
            f"has(self.spec.name) || (size(self.metadata.name) >= {NAME_MIN} && size(self.metadata.name) <= {NAME_MAX} && "
            f"{_name_rule('self.metadata.name')})"
        ),
        message=f"metadata.name is no bucket's name ({NAME_MIN} to {NAME_MAX} characters, none that S3 reserves): set spec.name",
        reason="FieldValueRequired",
        accepts=Example({"metadata": {"name": "xn--photos"}, "spec": {"name": "photos"}}),
        refuses=Example({"metadata": {"name": "xn--photos"}}),
    ),
    Rule(
        name="bucket-name-immutable",
        kind=KIND,
        path="",
        rule=f"{_EFFECTIVE.format('self')} == {_EFFECTIVE.format('oldSelf')}",
        message="a bucket cannot be renamed: keep spec.name, or make a new Bucket and copy the objects",
        reason="FieldValueForbidden",
        accepts=Example(spec(name="photos"), spec()),
        refuses=Example(spec(name="pictures"), spec()),
    ),
    Rule(
        name="bucket-cluster-immutable",
        kind=KIND,
        path="spec.clusterRef",
        rule="self == oldSelf",
        message="clusterRef cannot change: make a new Bucket there and copy the objects",
        reason="FieldValueForbidden",
        accepts=Example(spec(versioning="Enabled"), spec()),
        refuses=Example(spec(clusterRef={"name": "other"}), spec()),
    ),
)

_VERSIONS = (
    Rule(
        name="versioning-stays",
        kind=KIND,
        path="spec",
        rule=("!has(oldSelf.versioning) || oldSelf.versioning == 'Off' || (has(self.versioning) && self.versioning != 'Off')"),
        message="versioning cannot be turned off again: set versioning: Suspended",
        reason="FieldValueForbidden",
        field_path=".versioning",
        accepts=Example(spec(versioning="Suspended"), spec(versioning="Enabled")),
        refuses=Example(spec(versioning="Off"), spec(versioning="Enabled")),
    ),
    Rule(
        name="object-lock-needs-versioning",
        kind=KIND,
        path="spec",
        rule="!has(self.objectLock) || !self.objectLock.enabled || (has(self.versioning) && self.versioning == 'Enabled')",
        message="object lock needs versioning: set versioning: Enabled",
        reason="FieldValueRequired",
        field_path=".versioning",
        accepts=Example(spec(**_LOCK)),
        refuses=Example(spec(objectLock={"enabled": True})),
    ),
    Rule(
        name="object-lock-stays",
        kind=KIND,
        path="spec",
        rule=("!has(oldSelf.objectLock) || !oldSelf.objectLock.enabled || (has(self.objectLock) && self.objectLock.enabled)"),
        message="object lock cannot be turned off: keep objectLock.enabled: true",
        reason="FieldValueForbidden",
        field_path=".objectLock",
        accepts=Example(spec(**(_LOCK | {"objectLock": {"enabled": True, "mode": "GOVERNANCE", "days": 1}})), spec(**_LOCK)),
        refuses=Example(spec(versioning="Enabled"), spec(**_LOCK)),
    ),
    Rule(
        name="object-lock-retention",
        kind=KIND,
        path="spec.objectLock",
        rule=("has(self.mode) ? self.enabled && has(self.days) != has(self.years) : !has(self.days) && !has(self.years)"),
        message="a default retention is mode with exactly one of days and years, and needs enabled: true",
        accepts=Example(spec(**(_LOCK | {"objectLock": {"mode": "COMPLIANCE", "years": 7}}))),
        refuses=Example(spec(**(_LOCK | {"objectLock": {"mode": "COMPLIANCE"}}))),
    ),
)

_HAS_SIZE_OR_TAGS = "(has(self.filter.tags) || has(self.filter.objectSizeGreaterThan) || has(self.filter.objectSizeLessThan))"
_INFREQUENT = "['STANDARD_IA', 'ONEZONE_IA']"

_LIFECYCLE = (
    Rule(
        name="lifecycle-has-action",
        kind=KIND,
        path=_RULE,
        rule=(
            "has(self.expiration) || has(self.noncurrentVersionExpiration) || has(self.abortIncompleteMultipartUpload) || "
            "has(self.transitions) || has(self.noncurrentVersionTransitions)"
        ),
        message="a lifecycle rule needs an action: set expiration, transitions, or another one",
        reason="FieldValueRequired",
        accepts=Example(_rules()),
        refuses=Example(spec(lifecycle=[{"id": "nothing"}])),
    ),
    Rule(
        name="lifecycle-one-expiration",
        kind=KIND,
        path=f"{_RULE}.expiration",
        rule=("(has(self.days) ? 1 : 0) + (has(self.date) ? 1 : 0) + (has(self.expiredObjectDeleteMarker) ? 1 : 0) == 1"),
        message="set exactly one of days, date and expiredObjectDeleteMarker",
        accepts=Example(_rules(expiration={"date": "2030-01-01"})),
        refuses=Example(_rules(expiration={"days": 1, "date": "2030-01-01"})),
    ),
    one_of(
        KIND,
        f"{_RULE}.transitions[]",
        "days",
        "date",
        name="lifecycle-one-time",
        what="a transition has one time",
        accepts=Example(_rules(expiration=None, transitions=[{"storageClass": "GLACIER", "days": 90}])),
        refuses=Example(_rules(expiration=None, transitions=[{"storageClass": "GLACIER"}])),
    ),
    Rule(
        name="lifecycle-infrequent-days",
        kind=KIND,
        path=f"{_RULE}.transitions[]",
        rule=f"!(self.storageClass in {_INFREQUENT}) || !has(self.days) || self.days >= 30",
        message="transitions to STANDARD_IA and ONEZONE_IA are after 30 days at the earliest: set days to 30 or more",
        field_path=".days",
        accepts=Example(_rules(expiration=None, transitions=[{"storageClass": "STANDARD_IA", "days": 30}])),
        refuses=Example(_rules(expiration=None, transitions=[{"storageClass": "STANDARD_IA", "days": 29}])),
    ),
    Rule(
        name="lifecycle-infrequent-noncurrent-days",
        kind=KIND,
        path=f"{_RULE}.noncurrentVersionTransitions[]",
        rule=f"!(self.storageClass in {_INFREQUENT}) || self.noncurrentDays >= 30",
        message="transitions to STANDARD_IA and ONEZONE_IA are after 30 days at the earliest: set noncurrentDays to 30 or more",
        field_path=".noncurrentDays",
        accepts=Example(_rules(noncurrentVersionTransitions=[{"storageClass": "GLACIER", "noncurrentDays": 1}])),
        refuses=Example(_rules(noncurrentVersionTransitions=[{"storageClass": "ONEZONE_IA", "noncurrentDays": 1}])),
    ),
    Rule(
        name="lifecycle-filter-suits",
        kind=KIND,
        path=_RULE,
        rule=(
            f"!{_HAS_SIZE_OR_TAGS} || (!has(self.abortIncompleteMultipartUpload) && "
            "!(has(self.expiration) && has(self.expiration.expiredObjectDeleteMarker)))"
        ),
        message="delete markers and uploads have neither tags nor a size: put these actions into a rule with at most a prefix",
        field_path=".filter",
        accepts=Example(_rules(filter={"tags": [{"key": "class", "value": "temporary"}]})),
        refuses=Example(_rules(filter={"objectSizeGreaterThan": 1}, abortIncompleteMultipartUpload={"daysAfterInitiation": 7})),
    ),
    Rule(
        name="lifecycle-sizes",
        kind=KIND,
        path=f"{_RULE}.filter",
        rule=(
            "!has(self.objectSizeGreaterThan) || !has(self.objectSizeLessThan) || "
            "self.objectSizeGreaterThan < self.objectSizeLessThan"
        ),
        message="no object is that small and that large: raise objectSizeLessThan above objectSizeGreaterThan",
        field_path=".objectSizeLessThan",
        accepts=Example(_rules(filter={"objectSizeGreaterThan": 1, "objectSizeLessThan": 2})),
        refuses=Example(_rules(filter={"objectSizeGreaterThan": 2, "objectSizeLessThan": 2})),
    ),
    Rule(
        name="lifecycle-expiration-last",
        kind=KIND,
        path=_RULE,
        rule=(
            "!has(self.expiration) || !has(self.transitions) || self.transitions.all(t, has(t.days) ? "
            "has(self.expiration.days) && t.days < self.expiration.days || has(self.expiration.expiredObjectDeleteMarker) : "
            "!has(self.expiration.days))"
        ),
        message="objects end after their last transition: count both in days, and set expiration.days above those of transitions",
        field_path=".expiration",
        accepts=Example(_rules(expiration={"days": 91}, transitions=[{"storageClass": "GLACIER", "days": 90}])),
        refuses=Example(_rules(expiration={"days": 90}, transitions=[{"storageClass": "GLACIER", "days": 90}])),
    ),
    Rule(
        name="lifecycle-noncurrent-expiration-last",
        kind=KIND,
        path=_RULE,
        rule=(
            "!has(self.noncurrentVersionExpiration) || !has(self.noncurrentVersionTransitions) || "
            "self.noncurrentVersionTransitions.all(t, t.noncurrentDays < self.noncurrentVersionExpiration.noncurrentDays)"
        ),
        message="versions end after their last transition: raise noncurrentVersionExpiration.noncurrentDays",
        field_path=".noncurrentVersionExpiration",
        accepts=Example(
            _rules(
                noncurrentVersionExpiration={"noncurrentDays": 31},
                noncurrentVersionTransitions=[{"storageClass": "GLACIER", "noncurrentDays": 30}],
            )
        ),
        refuses=Example(
            _rules(
                noncurrentVersionExpiration={"noncurrentDays": 30},
                noncurrentVersionTransitions=[{"storageClass": "GLACIER", "noncurrentDays": 30}],
            )
        ),
    ),
)

_PAGES = {"indexDocument": {"suffix": "index.html"}}

_OTHERS = (
    Rule(
        name="encryption-key-with-kms",
        kind=KIND,
        path="spec.encryption",
        rule="!has(self.kmsMasterKeyId) || self.sseAlgorithm != 'AES256'",
        message="kmsMasterKeyId is for aws:kms and aws:kms:dsse: set sseAlgorithm, or take the key away",
        field_path=".kmsMasterKeyId",
        accepts=Example(spec(encryption={"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "alpha"})),
        refuses=Example(spec(encryption={"kmsMasterKeyId": "alpha"})),
    ),
    Rule(
        name="bucket-class-or-redundancy",
        kind=KIND,
        path="spec",
        rule="!has(self.storageClass) || !has(self.redundancy)",
        message="set storageClass or redundancy, not both: a storage class has its own scheme",
        accepts=Example(spec(redundancy={"replicas": 3})),
        refuses=Example(spec(redundancy={"replicas": 3}, storageClass="GLACIER")),
    ),
    one_of(
        KIND,
        "spec.redundancy",
        "ec",
        "replicas",
        name="bucket-one-scheme",
        what="redundancy is an erasure code or whole copies",
        accepts=Example(spec(redundancy={"replicas": 3})),
        refuses=Example(spec(redundancy={})),
    ),
    Rule(
        name="quota-not-empty",
        kind=KIND,
        path="spec.quota",
        rule="has(self.maxBytes) || has(self.maxObjects)",
        message="a quota needs a limit: set maxBytes or maxObjects, or take quota away",
        reason="FieldValueRequired",
        accepts=Example(spec(quota={"maxBytes": "10Gi"})),
        refuses=Example(spec(quota={})),
    ),
    one_of(
        KIND,
        "spec.website",
        "indexDocument",
        "redirectAllRequestsTo",
        name="website-one-kind",
        what="a website serves pages or redirects everything",
        accepts=Example(spec(website=_PAGES)),
        refuses=Example(spec(website={})),
    ),
    Rule(
        name="website-redirect-alone",
        kind=KIND,
        path="spec.website",
        rule="!has(self.redirectAllRequestsTo) || (!has(self.errorDocument) && !has(self.routingRules))",
        message="redirectAllRequestsTo stands alone: take errorDocument and routingRules away",
        accepts=Example(spec(website={"redirectAllRequestsTo": {"hostName": "example.com"}})),
        refuses=Example(
            spec(website={"redirectAllRequestsTo": {"hostName": "example.com"}, "errorDocument": {"key": "error.html"}})
        ),
    ),
    Rule(
        name="website-condition-not-empty",
        kind=KIND,
        path="spec.website.routingRules[].condition",
        rule="has(self.keyPrefixEquals) || has(self.httpErrorCodeReturnedEquals)",
        message="a condition is not empty: set keyPrefixEquals or httpErrorCodeReturnedEquals, or take condition away",
        reason="FieldValueRequired",
        accepts=Example(
            spec(website=_PAGES | {"routingRules": [{"condition": {"keyPrefixEquals": "a/"}, "redirect": {"replaceKeyWith": "b"}}]})
        ),
        refuses=Example(spec(website=_PAGES | {"routingRules": [{"condition": {}, "redirect": {"replaceKeyWith": "b"}}]})),
    ),
    Rule(
        name="website-redirect-not-empty",
        kind=KIND,
        path="spec.website.routingRules[].redirect",
        rule=(
            "(has(self.protocol) || has(self.hostName) || has(self.replaceKeyPrefixWith) || has(self.replaceKeyWith) || "
            "has(self.httpRedirectCode)) && !(has(self.replaceKeyPrefixWith) && has(self.replaceKeyWith))"
        ),
        message=(
            "a redirect says where to: set hostName, protocol, httpRedirectCode, or one of replaceKeyPrefixWith and replaceKeyWith"
        ),
        accepts=Example(spec(website=_PAGES | {"routingRules": [{"redirect": {"hostName": "example.com"}}]})),
        refuses=Example(
            spec(website=_PAGES | {"routingRules": [{"redirect": {"replaceKeyWith": "a", "replaceKeyPrefixWith": "b"}}]})
        ),
    ),
    Rule(
        name="tag-not-of-system",
        kind=KIND,
        path="spec.tags[]",
        rule="!self.key.matches('^[aA][wW][sS]:')",
        message="tags that begin with aws: are S3's own: choose another key",
        field_path=".key",
        accepts=Example(spec(tags=[{"key": "team", "value": "a"}])),
        refuses=Example(spec(tags=[{"key": "AWS:team", "value": "a"}])),
    ),
)

BUCKET_RULES = (*_NAMES, *_VERSIONS, *_LIFECYCLE, *_OTHERS)
