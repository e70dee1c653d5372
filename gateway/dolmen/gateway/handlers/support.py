"""What this gateway does about each operation of S3, in one word, and where it departs from AWS on purpose.

The reference page and tests read it; nothing at run time does. The words follow from which module has the operation's handler.
"""

from __future__ import annotations

from dolmen.gateway.handlers import accelerate, object_annotations, refused, stored_configurations, unconfigured
from dolmen.gateway.handlers.table import REAL as HANDLED
from dolmen.gateway.handlers.table import handler_of

REAL = "real"
STORED = "stored and returned"
ANSWERED = "documented answer"
NOT_IMPLEMENTED = "not implemented"

_STORED = {**stored_configurations.HANDLERS, **accelerate.HANDLERS}
_ANSWERED = {**refused.HANDLERS, **unconfigured.HANDLERS, **object_annotations.HANDLERS}
# Handlers that look at the request as S3 would, and then refuse every one that is right.
_REFUSED_AT_LAST = {"PutBucketReplication", "PutObjectAnnotation"}
_AT_THE_DOOR = {"PostObject"}  # post_object.serve does it; the table has no handler of it

# Parameters that are taken and have no effect, with the reason.
IGNORED = {
    "AnnotationDirective": "no object has annotations",
    "BucketNamespace": "a tenant has one namespace of buckets",
    "ConfirmRemoveSelfBucketAccess": "the root user of the owner can always mend a policy",
    "MFA": "there are no MFA devices",
    "OptionalObjectAttributes": "lists do not tell of restores",
    "Token": "object lock of a bucket that is there needs no token",
}

# On purpose, and told by the handlers too. By operation.
DEPARTURES = {
    "CreateBucket": "A new bucket has no public access block; AWS turns all four on. ACLs are disabled, as with AWS.",
    "DeleteBucketReplication": "There is never a configuration to delete.",
    "DeletePublicAccessBlock": "Leaves nothing blocked, which is the state of a new bucket here.",
    "GetBucketAbac": 'Always "Disabled": tags of buckets grant nothing.',
    "GetBucketReplication": "There is never a configuration.",
    "GetObject": "Objects of every storage class are read at once: nothing has to be restored first.",
    "GetPublicAccessBlock": "A new bucket has none, unlike one of AWS since April 2023.",
    "PutBucketAbac": 'Takes "Disabled" alone.',
    "PutBucketAccelerateConfiguration": "There is no other endpoint to be faster through.",
    "PutBucketAnalyticsConfiguration": "No report is written.",
    "PutBucketIntelligentTieringConfiguration": "Moves nothing.",
    "PutBucketInventoryConfiguration": "No report is written.",
    "PutBucketMetricsConfiguration": "No metrics follow from it.",
    "PutBucketNotificationConfiguration": "Targets are webhooks that the operator declares, named by ARNs.",
    "PutBucketReplication": "A rule that were kept and not followed would lose what its owner believes to be safe elsewhere.",
    "PutBucketRequestPayment": "Requesters have to agree, but nothing is billed.",
    "PutBucketVersioning": "MFA delete is refused with NotImplemented.",
    "PutObject": "WriteOffsetBytes (appends, of directory buckets only) is refused with NotImplemented.",
    "RenameObject": "Works in buckets that were never versioned; AWS has it in directory buckets only.",
    "RestoreObject": "Done as soon as it is asked for: data of every class is online. Select is refused with NotImplemented.",
}


def support_of(name: str) -> str:
    """One of the four words, for a routed operation."""
    if name in _AT_THE_DOOR:
        return REAL
    if name in _REFUSED_AT_LAST or handler_of(name) is unconfigured.not_implemented:
        return NOT_IMPLEMENTED
    if name in _STORED:
        return STORED
    return ANSWERED if name in _ANSWERED and HANDLED.get(name) in (None, _ANSWERED[name]) else REAL
