"""Lines of access logs: the 26 fields, and that no client writes lines of its own; keys of log objects; names of operations."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dolmen.gateway.s3.access_log import (
    FIELD_CHARACTERS_MAX,
    LogEntry,
    date_source,
    log_line,
    log_object_key,
    log_operation,
    log_time,
    shown_request_line,
)
from dolmen.gateway.s3.model.inputs_generated import LoggingEnabled, PartitionedPrefix, SimplePrefix, TargetObjectKeyFormat
from dolmen.gateway.s3.operations import OPERATIONS

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
AT_US = 1_549_411_238_900_000  # 06/Feb/2019:00:00:38 and a fraction
# A field: in brackets, in quotes, or bare.
FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|[^ ]+')


def entry(**changes):
    return LogEntry(**{"bucket_owner": OWNER, "bucket": "logged", "time_us": AT_US, "operation": "REST.GET.OBJECT", **changes})


def fields(**changes):
    line = log_line(entry(**changes))
    assert line.endswith("\n")
    assert line.count("\n") == 1
    return FIELD.findall(line.rstrip("\n"))


def test_a_full_line():
    assert log_line(
        entry(
            remote_ip="192.0.2.3",
            requester=OWNER,
            request_id="3E57427F3EXAMPLE",
            key=b"photos/2019/08/puppy.jpg",
            request_line="GET /logged/photos/2019/08/puppy.jpg?x-foo=bar HTTP/1.1",
            status=200,
            bytes_sent=2662992,
            object_size=3462992,
            total_ms=70,
            turnaround_ms=10,
            referer="http://www.example.com/webservices",
            user_agent="curl/7.15.1",
            version_id="3HL4kqtJvjVBH40Nrjfkd",
            host_id="s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
            signature_version="SigV4",
            cipher_suite="ECDHE-RSA-AES128-GCM-SHA256",
            authentication="AuthHeader",
            host_header="s3.example.com",
            tls_version="TLSv1.2",
            acl_required=True,
        )
    ) == (
        f"{OWNER} logged [06/Feb/2019:00:00:38 +0000] 192.0.2.3 {OWNER} 3E57427F3EXAMPLE REST.GET.OBJECT "
        'photos/2019/08/puppy.jpg "GET /logged/photos/2019/08/puppy.jpg?x-foo=bar HTTP/1.1" 200 - 2662992 3462992 70 10 '
        '"http://www.example.com/webservices" "curl/7.15.1" 3HL4kqtJvjVBH40Nrjfkd '
        "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 "
        "AuthHeader s3.example.com TLSv1.2 - Yes\n"
    )


def test_what_is_not_known_is_a_dash():
    found = fields()
    assert len(found) == 26
    assert found[:3] == [OWNER, "logged", "[06/Feb/2019:00:00:38 +0000]"]
    assert found[6] == "REST.GET.OBJECT"
    assert found[3:6] + found[7:8] + found[9:15] + found[17:] == ["-"] * 19
    assert [found[8], found[15], found[16]] == ['"-"'] * 3


@pytest.mark.parametrize(
    ("change", "place", "text"),
    [
        ({"remote_ip": "2001:db8::1"}, 3, "2001:db8::1"),
        ({"requester": "arn:aws:iam::123456789012:user/Alice"}, 4, "arn:aws:iam::123456789012:user/Alice"),
        ({"key": b"a b"}, 7, "a%20b"),
        ({"key": b"a/b"}, 7, "a/b"),
        ({"key": "ü".encode()}, 7, "%C3%BC"),
        ({"key": b"100%"}, 7, "100%25"),
        ({"key": b'a"b\nc'}, 7, "a%22b%0Ac"),
        ({"key": b"-"}, 7, "-"),
        ({"status": 404}, 9, "404"),
        ({"error_code": "NoSuchKey"}, 10, "NoSuchKey"),
        ({"bytes_sent": 0}, 11, "-"),
        ({"bytes_sent": 113}, 11, "113"),
        ({"object_size": 0}, 12, "0"),
        ({"total_ms": 0}, 13, "0"),
        ({"turnaround_ms": 3}, 14, "3"),
        ({"referer": "http://a/"}, 15, '"http://a/"'),
        ({"user_agent": 'evil" 200 "x'}, 16, '"evil%22 200 %22x"'),
        ({"user_agent": "two\nlines\r"}, 16, '"two%0Alines%0D"'),
        ({"user_agent": "naïve ☃"}, 16, '"naïve ☃"'),
        ({"host_header": "a b"}, 22, "a%20b"),
        ({"host_header": "a\u2028b"}, 22, "a%E2%80%A8b"),
        ({"version_id": "null"}, 17, "null"),
        ({"access_point_arn": "arn:aws:s3:r:1:accesspoint/x"}, 24, "arn:aws:s3:r:1:accesspoint/x"),
    ],
)
def test_single_fields(change, place, text):
    found = fields(**change)
    assert len(found) == 26
    assert found[place] == text


def test_long_headers_are_cut():
    assert len(fields(user_agent="x" * 100_000)[16]) == FIELD_CHARACTERS_MAX + 2


_HOSTILE = st.text(alphabet=st.one_of(st.sampled_from('" \n\r\t\\[]-%\x00\x85\u2028'), st.characters(codec="utf-8")), max_size=40)


@given(_HOSTILE, _HOSTILE, _HOSTILE, st.binary(min_size=1, max_size=40))
def test_no_client_writes_lines_or_fields(agent, referer, host, key):
    line = log_line(entry(user_agent=agent, referer=referer, host_header=host, key=key))
    assert len(line.splitlines()) == 1
    assert len(FIELD.findall(line.rstrip("\n"))) == 26


def test_shells_split_a_plain_line_as_we_do():
    line = log_line(entry(request_line="GET /a HTTP/1.1", user_agent="aws-cli/2 (x)")).rstrip("\n")
    assert len(shlex.split(line)) == 27  # the time has a blank and no quotes


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        (b"", ""),
        (b"versionId=1", "?versionId=1"),
        (b"X-Amz-Date=d&X-Amz-Signature=abc", "?X-Amz-Date=d&X-Amz-Signature=REDACTED"),
        (b"X-Amz-Security-Token=abc&a=b", "?X-Amz-Security-Token=REDACTED&a=b"),
        (b"AWSAccessKeyId=x&Signature=abc%3D&Expires=1", "?AWSAccessKeyId=x&Signature=REDACTED&Expires=1"),
        (b"NoSignature=kept", "?NoSignature=kept"),
        (b"x-amz-signature=abc", "?x-amz-signature=REDACTED"),
    ],
)
def test_signatures_are_not_shown(query, shown):
    assert shown_request_line("GET", b"/b/k", query) == f"GET /b/k{shown} HTTP/1.1"


@pytest.mark.parametrize(
    ("time_us", "text"), [(0, "[01/Jan/1970:00:00:00 +0000]"), (1_795_503_357_000_000, "[24/Nov/2026:06:55:57 +0000]")]
)
def test_times(time_us, text):
    assert log_time(time_us) == text


# -- operations --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GetObject", "REST.GET.OBJECT"),
        ("HeadObject", "REST.HEAD.OBJECT"),
        ("PutObject", "REST.PUT.OBJECT"),
        ("PostObject", "REST.POST.OBJECT"),
        ("CopyObject", "REST.COPY.OBJECT"),
        ("DeleteObject", "REST.DELETE.OBJECT"),
        ("DeleteObjects", "REST.POST.MULTI_OBJECT_DELETE"),
        ("CreateMultipartUpload", "REST.POST.UPLOADS"),
        ("UploadPart", "REST.PUT.PART"),
        ("UploadPartCopy", "REST.COPY.PART"),
        ("CompleteMultipartUpload", "REST.POST.UPLOAD"),
        ("AbortMultipartUpload", "REST.DELETE.UPLOAD"),
        ("ListParts", "REST.GET.UPLOAD"),
        ("ListMultipartUploads", "REST.GET.UPLOADS"),
        ("ListObjectsV2", "REST.GET.BUCKET"),
        ("ListObjects", "REST.GET.BUCKET"),
        ("ListObjectVersions", "REST.GET.BUCKETVERSIONS"),
        ("HeadBucket", "REST.HEAD.BUCKET"),
        ("DeleteBucket", "REST.DELETE.BUCKET"),
        ("GetBucketLocation", "REST.GET.LOCATION"),
        ("GetBucketVersioning", "REST.GET.VERSIONING"),
        ("GetBucketLogging", "REST.GET.LOGGING_STATUS"),
        ("PutBucketLogging", "REST.PUT.LOGGING_STATUS"),
        ("GetBucketPolicy", "REST.GET.BUCKETPOLICY"),
        ("GetBucketPolicyStatus", "REST.GET.POLICY_STATUS"),
        ("GetBucketAcl", "REST.GET.ACL"),
        ("PutObjectAcl", "REST.PUT.ACL"),
        ("PutBucketNotificationConfiguration", "REST.PUT.NOTIFICATION"),
        ("GetObjectTagging", "REST.GET.OBJECT_TAGGING"),
        ("GetBucketTagging", "REST.GET.TAGGING"),
        ("GetObjectAttributes", "REST.GET.OBJECT_ATTRIBUTES"),
        ("GetBucketRequestPayment", "REST.GET.REQUEST_PAYMENT"),
        ("GetPublicAccessBlock", "REST.GET.PUBLIC_ACCESS_BLOCK"),
        ("GetBucketOwnershipControls", "REST.GET.OWNERSHIP_CONTROLS"),
        ("GetObjectLockConfiguration", "REST.GET.OBJECT_LOCK_CONFIGURATION"),
        ("GetBucketIntelligentTieringConfiguration", "REST.GET.INTELLIGENT_TIERING"),
        ("GetBucketInventoryConfiguration", "REST.GET.INVENTORY"),
        ("RestoreObject", "REST.POST.RESTORE"),
    ],
)
def test_names_of_operations(name, told):
    operation = OPERATIONS[name]
    assert log_operation(name, operation.method, operation.level, operation.selectors) == told


def test_every_operation_has_a_name():
    for operation in OPERATIONS.values():
        told = log_operation(operation.name, operation.method, operation.level, operation.selectors)
        assert re.fullmatch(r"REST\.(GET|PUT|POST|HEAD|DELETE|COPY)\.[A-Z_]+", told), told


@pytest.mark.parametrize(("level", "told"), [("bucket", "REST.GET.BUCKET"), ("object", "REST.GET.OBJECT")])
def test_requests_that_were_no_operation(level, told):
    assert log_operation("Unrouted", "GET", level) == told


# -- keys of log objects -----------------------------------------------------------------------------------------------------

EVENT_US = 1_795_478_400_000_000 - 1  # the last moment of 2026-11-23
NOW_US = 1_795_503_357_654_321  # 2026-11-24 06:55:57


@pytest.mark.parametrize(
    ("form", "source", "key"),
    [
        (None, "", "logs/2026-11-24-06-55-57-UNIQUE"),
        (TargetObjectKeyFormat(simple_prefix=SimplePrefix()), "", "logs/2026-11-24-06-55-57-UNIQUE"),
        (
            TargetObjectKeyFormat(partitioned_prefix=PartitionedPrefix(partition_date_source="DeliveryTime")),
            "DeliveryTime",
            "logs/123456789012/eu-west-1/logged/2026/11/24/2026-11-24-06-55-57-UNIQUE",
        ),
        (
            TargetObjectKeyFormat(partitioned_prefix=PartitionedPrefix(partition_date_source="EventTime")),
            "EventTime",
            "logs/123456789012/eu-west-1/logged/2026/11/23/2026-11-23-00-00-00-UNIQUE",
        ),
        (
            TargetObjectKeyFormat(partitioned_prefix=PartitionedPrefix()),
            "EventTime",
            "logs/123456789012/eu-west-1/logged/2026/11/23/2026-11-23-00-00-00-UNIQUE",
        ),
    ],
)
def test_keys_of_log_objects(form, source, key):
    target = LoggingEnabled(target_bucket="t", target_prefix="logs/", target_object_key_format=form)
    assert date_source(target) == source
    where = {"account": "123456789012", "region": "eu-west-1", "bucket": "logged", "event_us": EVENT_US, "now_us": NOW_US}
    assert log_object_key(target, **where, unique="UNIQUE") == key
