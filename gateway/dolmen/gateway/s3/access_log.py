"""Server access logs: one request as a line, the names that AWS gives to operations, the keys of log objects.

Pure. https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

from dolmen.gateway.s3.dates import SECOND_US
from dolmen.gateway.s3.model.inputs_generated import LoggingEnabled, TargetObjectKeyFormat

ABSENT = "-"
# Who delivers logs, as AWS's log-delivery group appears in the logs of a target bucket that is logged itself.
LOG_DELIVERY_CANONICAL_ID = "3272ee65a908a7677109fedda345db8d9554ba26398b2ca10581de88777e2b61"
BATCH_DELETE = "BATCH.DELETE.OBJECT"  # one line for each key of DeleteObjects, beside the line of the request
COPY_SOURCE = {"CopyObject": "REST.COPY.OBJECT_GET", "UploadPartCopy": "REST.COPY.PART_GET"}  # the line of the source's bucket
EVENT_TIME, DELIVERY_TIME = "EventTime", "DeliveryTime"
FIELD_CHARACTERS_MAX = 4096  # of a referer or user agent; a log line must not be made of one header

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BLANKS_AND_CONTROLS = re.compile("[\x00-\x20\"\x7f-\xa0\u2028\u2029]")  # of a bare field: nothing that ends it, or the line
_IN_QUOTES = re.compile("[\x00-\x1f\"\x7f-\x9f\u2028\u2029]")
_CACHED_SECONDS_MAX = 64
_SECRET_PARAMETER = re.compile(rb"(?i)(?<![^&])(X-Amz-Signature|X-Amz-Security-Token|Signature)=[^&]*")

# REST.METHOD.RESOURCE; operations on objects whose resource is no word of the operation's name.
_NAMES = {
    "ListBuckets": "REST.GET.SERVICE",
    "CreateBucket": "REST.PUT.BUCKET",
    "HeadBucket": "REST.HEAD.BUCKET",
    "DeleteBucket": "REST.DELETE.BUCKET",
    "ListObjects": "REST.GET.BUCKET",
    "ListObjectsV2": "REST.GET.BUCKET",
    "ListObjectVersions": "REST.GET.BUCKETVERSIONS",
    "ListMultipartUploads": "REST.GET.UPLOADS",
    "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE",
    "PostObject": "REST.POST.OBJECT",
    "PutObject": "REST.PUT.OBJECT",
    "GetObject": "REST.GET.OBJECT",
    "HeadObject": "REST.HEAD.OBJECT",
    "DeleteObject": "REST.DELETE.OBJECT",
    "CopyObject": "REST.COPY.OBJECT",
    "RenameObject": "REST.PUT.OBJECT",
    "CreateMultipartUpload": "REST.POST.UPLOADS",
    "UploadPart": "REST.PUT.PART",
    "UploadPartCopy": "REST.COPY.PART",
    "CompleteMultipartUpload": "REST.POST.UPLOAD",
    "AbortMultipartUpload": "REST.DELETE.UPLOAD",
    "ListParts": "REST.GET.UPLOAD",
    "RestoreObject": "REST.POST.RESTORE",
    "SelectObjectContent": "REST.POST.SELECT",
    "GetObjectTorrent": "REST.GET.TORRENT",
    "GetObjectAttributes": "REST.GET.OBJECT_ATTRIBUTES",
    "GetObjectAcl": "REST.GET.ACL",
    "PutObjectAcl": "REST.PUT.ACL",
    "GetObjectRetention": "REST.GET.OBJECT_LOCK_RETENTION",
    "PutObjectRetention": "REST.PUT.OBJECT_LOCK_RETENTION",
    "GetObjectLegalHold": "REST.GET.OBJECT_LOCK_LEGALHOLD",
    "PutObjectLegalHold": "REST.PUT.OBJECT_LOCK_LEGALHOLD",
    "UpdateObjectEncryption": "REST.PUT.OBJECT_ENCRYPTION",
    "CorsPreflight": "REST.OPTIONS.PREFLIGHT",
    "WebsiteGet": "WEBSITE.GET.OBJECT",
    "WebsiteHead": "WEBSITE.HEAD.OBJECT",
    "LifecycleExpiration": "S3.EXPIRE.OBJECT",
    "LifecycleMarker": "S3.CREATE.DELETEMARKER",
}
# Sub-resources by their name in the query: what AWS's log calls them when that is not the name in capitals.
_RESOURCES = {
    "logging": "LOGGING_STATUS",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "requestPayment": "REQUEST_PAYMENT",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "intelligent-tiering": "INTELLIGENT_TIERING",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One request, as its line tells it. "" and None where there is nothing to tell."""

    bucket_owner: str  # canonical user id
    bucket: str
    time_us: int  # when the request came
    operation: str  # as of ``log_operation``
    remote_ip: str = ""
    requester: str = ""  # canonical user id, or the ARN of an IAM user or role; "" for anonymous callers
    request_id: str = ""
    key: bytes | None = None
    request_line: str = ""  # ``GET /bucket/key?query HTTP/1.1``
    status: int | None = None
    error_code: str = ""
    bytes_sent: int = 0
    object_size: int | None = None
    total_ms: int | None = None
    turnaround_ms: int | None = None  # from the request's last byte to the answer's first
    referer: str = ""
    user_agent: str = ""
    version_id: str = ""
    host_id: str = ""
    signature_version: str = ""  # SigV2, SigV4
    cipher_suite: str = ""
    authentication: str = ""  # AuthHeader, QueryString
    host_header: str = ""
    tls_version: str = ""  # TLSv1.2 ...
    access_point_arn: str = ""
    acl_required: bool = False


def log_operation(name: str, method: str, level: str, query: tuple[str, ...] = ()) -> str:
    """AWS's name of an operation.

    ``name``: of the table of operations, or what is known of a request that never got one; ``method`` and ``level`` ("service",
    "bucket", "object") of the request; ``query``: what must be in it, the operation's sub-resource first.
    """
    known = _NAMES.get(name)
    if known is not None:
        return known
    if not query:
        return f"REST.{method}.{level.upper()}"
    word = query[0].partition("=")[0]
    resource = _RESOURCES.get(word) or re.sub("(?<=[a-z])(?=[A-Z])", "_", word).replace("-", "_").upper()
    return f"REST.{method}.{'OBJECT_' if level == 'object' else ''}{resource}"


def shown_request_line(method: str, raw_path: bytes, raw_query: bytes) -> str:
    """``GET /bucket/key?query HTTP/1.1``, without what makes a presigned address work: who reads a log must not use it."""
    query = _SECRET_PARAMETER.sub(b"\\1=REDACTED", raw_query)
    target = raw_path + (b"?" + query if query else b"")
    return f"{method} {target.decode('latin-1')} HTTP/1.1"


def log_line(entry: LogEntry) -> str:
    """The line, its end included: 26 fields, a dash for each that has nothing to tell."""
    return " ".join(
        (
            _bare(entry.bucket_owner),
            _bare(entry.bucket),
            log_time(entry.time_us),
            _bare(entry.remote_ip),
            _bare(entry.requester),
            _bare(entry.request_id),
            _bare(entry.operation),
            ABSENT if entry.key is None else quote(entry.key, safe="/-_.~"),
            _quoted(entry.request_line),
            _number(entry.status),
            _bare(entry.error_code),
            _number(entry.bytes_sent or None),
            _number(entry.object_size),
            _number(entry.total_ms),
            _number(entry.turnaround_ms),
            _quoted(entry.referer),
            _quoted(entry.user_agent),
            _bare(entry.version_id),
            _bare(entry.host_id),
            _bare(entry.signature_version),
            _bare(entry.cipher_suite),
            _bare(entry.authentication),
            _bare(entry.host_header),
            _bare(entry.tls_version),
            _bare(entry.access_point_arn),
            "Yes" if entry.acl_required else ABSENT,
        )
    ) + "\n"


def log_time(time_us: int) -> str:
    """``[06/Feb/2019:00:00:38 +0000]``"""
    return _time_of_second(time_us // SECOND_US)


@lru_cache(maxsize=_CACHED_SECONDS_MAX)
def _time_of_second(seconds: int) -> str:
    t = time.gmtime(seconds)
    clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"[{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year:04d}:{clock} +0000]"


def _number(value: int | None) -> str:
    return ABSENT if value is None else str(value)


def _escaped(match: re.Match[str]) -> str:
    return quote(match[0], safe="")


def _bare(text: str) -> str:
    return _BLANKS_AND_CONTROLS.sub(_escaped, text[:FIELD_CHARACTERS_MAX]) if text else ABSENT


def _quoted(text: str) -> str:
    """What a client wrote: a quote or line end in it is percent-encoded, so that nobody writes lines of their own."""
    return f'"{_IN_QUOTES.sub(_escaped, text[:FIELD_CHARACTERS_MAX])}"' if text else '"-"'


# -- log objects -------------------------------------------------------------------------------------------------------------


def date_source(target: LoggingEnabled) -> str:
    """Which date the key of a log object tells: "" in the simple format, else EventTime or DeliveryTime."""
    form = target.target_object_key_format or TargetObjectKeyFormat()
    if form.partitioned_prefix is None:
        return ""
    return form.partitioned_prefix.partition_date_source or EVENT_TIME


def log_object_key(
    target: LoggingEnabled, *, account: str, region: str, bucket: str, event_us: int, now_us: int, unique: str
) -> str:
    """The key of a log object with lines of one bucket; ``event_us``: of its first line.

    Simple: ``PrefixYYYY-MM-DD-hh-mm-ss-UNIQUE``. Partitioned: ``PrefixACCOUNT/REGION/BUCKET/YYYY/MM/DD/`` before the same; by
    event time all lines are of one day and the clock shows zeros.
    """
    prefix = target.target_prefix or ""
    source = date_source(target)
    t = time.gmtime((event_us if source == EVENT_TIME else now_us) // SECOND_US)
    day = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}"
    clock = "00-00-00" if source == EVENT_TIME else f"{t.tm_hour:02d}-{t.tm_min:02d}-{t.tm_sec:02d}"
    if source:
        prefix += f"{account}/{region}/{bucket}/{day.replace('-', '/')}/"
    return f"{prefix}{day}-{clock}-{unique}"
