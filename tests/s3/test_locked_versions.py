"""Locks of new objects, and that locked versions survive every path. https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html"""

import datetime

import pytest

DAY = datetime.timedelta(days=1)
UNTIL = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
ISO = "2100-01-01T00:00:00Z"
PROTECTED = "Access Denied because object protected by object lock."
MODE, DATE, HOLD = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
GOVERNANCE = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL}
COMPLIANCE = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": UNTIL}
ON_HOLD = {"ObjectLockLegalHoldStatus": "ON"}
LOCKS = {"governance": GOVERNANCE, "compliance": COMPLIANCE, "hold": ON_HOLD, "both": {**GOVERNANCE, **ON_HOLD}}


def lock_of(answer):
    return {name: answer[name] for name in answer if name.startswith("ObjectLock")}


def put(s3, bucket, key="k", **lock):
    return s3.put_object(Bucket=bucket, Key=key, Body=b"x", **lock)["VersionId"]


# -- new objects -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", [*LOCKS.values(), {"ObjectLockLegalHoldStatus": "OFF"}])
def test_put_object(s3, lockable, lock):
    version = put(s3, lockable, **lock)
    for read in (s3.head_object, s3.get_object):
        assert lock_of(read(Bucket=lockable, Key="k")) == lock
        assert lock_of(read(Bucket=lockable, Key="k", VersionId=version)) == lock


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_copy_object(s3, lockable, lock):
    put(s3, lockable)
    source = {"Bucket": lockable, "Key": "k"}
    s3.copy_object(Bucket=lockable, Key="copy", CopySource=source, **lock)
    assert lock_of(s3.head_object(Bucket=lockable, Key="copy")) == lock


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_a_copy_has_no_lock_of_its_source(s3, lockable, lock):
    put(s3, lockable, **lock)
    s3.copy_object(Bucket=lockable, Key="copy", CopySource={"Bucket": lockable, "Key": "k"})
    assert lock_of(s3.head_object(Bucket=lockable, Key="copy")) == {}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_multipart(s3, lockable, lock, refused):
    upload = {"Bucket": lockable, "Key": "k"}
    upload["UploadId"] = s3.create_multipart_upload(**upload, **lock)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x")
    made = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    assert lock_of(s3.head_object(Bucket=lockable, Key="k")) == lock
    refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=made["VersionId"])


def test_the_headers(raw, lockable):
    sent = {MODE: "COMPLIANCE", DATE: "2100-01-01T00:00:00.25Z", HOLD: "ON", "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    answer = raw.request("PUT", f"/{lockable}/k", headers=sent, body=b"x")
    assert answer.status == 200, answer.body
    for method in ("GET", "HEAD"):
        told = raw.request(method, f"/{lockable}/k").headers
        assert (told[MODE], told[DATE], told[HOLD]) == ("COMPLIANCE", "2100-01-01T00:00:01.000Z", "ON")


REFUSED = {
    "a mode only": ({MODE: "GOVERNANCE"}, f"{DATE} and {MODE} must both be supplied", DATE),
    "a date only": ({DATE: ISO}, f"{DATE} and {MODE} must both be supplied", MODE),
    "another mode": ({MODE: "governance", DATE: ISO}, "Unknown wormMode directive.", MODE),
    "a past date": ({MODE: "GOVERNANCE", DATE: "2020-01-01T00:00:00Z"}, "The retain until date must be in the future!", DATE),
    "no date": ({MODE: "GOVERNANCE", DATE: "soon"}, "The retain until date must be provided in ISO 8601 format", DATE),
    "another hold": ({HOLD: "on"}, "Legal Hold must be either of 'ON' or 'OFF'", HOLD),
}


@pytest.mark.parametrize("kind", ["locked", "plain"])
@pytest.mark.parametrize(("sent", "text", "name"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_headers(raw, lockable, bucket, sent, text, name, kind):
    where = lockable if kind == "locked" else bucket
    headers = {**sent, "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    for query, method in (("", "PUT"), ("uploads", "POST")):
        answer = raw.request(method, f"/{where}/k", query, headers=headers, body=b"x" if method == "PUT" else b"")
        assert answer.told == (400, "InvalidArgument"), answer.body
        assert (answer.error["Message"], answer.error["ArgumentName"]) == (text, name)
    assert raw.request("HEAD", f"/{where}/k").status == 404


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_a_bucket_without_object_lock(s3, versioned, refused, lock):
    put(s3, versioned)
    for call, more in (
        (s3.put_object, {"Body": b"x"}),
        (s3.create_multipart_upload, {}),
        (s3.copy_object, {"CopySource": {"Bucket": versioned, "Key": "k"}}),
    ):
        error = refused("InvalidRequest", 400, call, Bucket=versioned, Key="new", **more, **lock)
        assert error["Message"] == "Bucket is missing Object Lock Configuration"
    refused("404", 404, s3.head_object, Bucket=versioned, Key="new")


NO_DIGEST = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"


@pytest.mark.parametrize("sent", [{MODE: "GOVERNANCE", DATE: ISO}, {HOLD: "ON"}, {HOLD: "OFF"}])
def test_a_digest_is_required(raw, lockable, sent):
    answer = raw.request("PUT", f"/{lockable}/k", headers=sent, body=b"x")
    assert answer.told == (400, "InvalidRequest")
    assert answer.error["Message"] == NO_DIGEST


def test_a_digest_is_required_where_a_default_locks(raw, s3, lockable):
    set_default(s3, lockable, Mode="GOVERNANCE", Days=1)
    assert raw.request("PUT", f"/{lockable}/k", body=b"x").error["Message"] == NO_DIGEST
    assert raw.request("PUT", f"/{lockable}/k", headers={"content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}, body=b"x").status == 200


def test_event_holds_are_refused_by_name(raw, lockable):
    answer = raw.request("PUT", f"/{lockable}/k", headers={"x-amz-object-lock-event-hold": "ON"}, body=b"x")
    assert answer.told == (501, "NotImplemented")


# -- default retention -------------------------------------------------------------------------------------------------------


def set_default(s3, bucket, **default):
    wanted = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": default}}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=wanted)


@pytest.mark.parametrize(("unit", "number", "days"), [("Days", 1, 1), ("Days", 400, 400), ("Years", 1, 365), ("Years", 3, 1095)])
@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_the_default_locks_new_objects(s3, lockable, refused, mode, unit, number, days):
    set_default(s3, lockable, Mode=mode, **{unit: number})
    version = put(s3, lockable)
    head = s3.head_object(Bucket=lockable, Key="k")
    assert head["ObjectLockMode"] == mode
    assert abs(head["ObjectLockRetainUntilDate"] - head["LastModified"] - days * DAY) < datetime.timedelta(seconds=60)
    refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=version)


def test_the_default_locks_copies_and_multipart_objects(s3, lockable):
    put(s3, lockable)
    set_default(s3, lockable, Mode="COMPLIANCE", Days=2)
    s3.copy_object(Bucket=lockable, Key="copy", CopySource={"Bucket": lockable, "Key": "k"})
    upload = {"Bucket": lockable, "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    for key in ("copy", "parts"):
        assert s3.head_object(Bucket=lockable, Key=key)["ObjectLockMode"] == "COMPLIANCE"
    assert "ObjectLockMode" not in s3.head_object(Bucket=lockable, Key="k")  # it was there before


def test_headers_go_before_the_default(s3, lockable):
    set_default(s3, lockable, Mode="COMPLIANCE", Days=2)
    put(s3, lockable, **GOVERNANCE)
    assert lock_of(s3.head_object(Bucket=lockable, Key="k")) == GOVERNANCE


def test_a_hold_stands_beside_the_default(s3, lockable):
    set_default(s3, lockable, Mode="GOVERNANCE", Days=2)
    put(s3, lockable, **ON_HOLD)
    head = s3.head_object(Bucket=lockable, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockLegalHoldStatus"]) == ("GOVERNANCE", "ON")


# -- deletes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_delete_object(s3, lockable, refused, lock):
    version = put(s3, lockable, **lock)
    error = refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=version)
    assert error["Message"] == PROTECTED
    assert s3.get_object(Bucket=lockable, Key="k")["Body"].read() == b"x"


@pytest.mark.parametrize(
    ("lock", "goes"), [(GOVERNANCE, True), (COMPLIANCE, False), (ON_HOLD, False), ({**GOVERNANCE, **ON_HOLD}, False)]
)
def test_the_bypass(s3, lockable, refused, lock, goes):
    version = put(s3, lockable, **lock)
    wanted = {"Bucket": lockable, "Key": "k", "VersionId": version, "BypassGovernanceRetention": True}
    if goes:
        assert s3.delete_object(**wanted)["VersionId"] == version
        refused("NoSuchVersion", 404, s3.get_object, Bucket=lockable, Key="k", VersionId=version)
    else:
        refused("AccessDenied", 403, s3.delete_object, **wanted)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_a_marker_and_a_new_version_hide_it(s3, lockable, lock):
    version = put(s3, lockable, **lock)
    marker = s3.delete_object(Bucket=lockable, Key="k")
    assert marker["DeleteMarker"] is True
    newer = put(s3, lockable)
    for gone in (newer, marker["VersionId"]):
        s3.delete_object(Bucket=lockable, Key="k", VersionId=gone)
    assert s3.head_object(Bucket=lockable, Key="k")["VersionId"] == version


@pytest.mark.parametrize("bypass", [False, True])
def test_delete_objects(s3, lockable, bypass):
    versions = {name: put(s3, lockable, name, **lock) for name, lock in {**LOCKS, "free": {}}.items()}
    wanted = [{"Key": name, "VersionId": version} for name, version in versions.items()]
    answer = s3.delete_objects(
        Bucket=lockable, Delete={"Objects": [*wanted, {"Key": "compliance"}]}, BypassGovernanceRetention=bypass
    )
    deleted = {(one["Key"], one.get("VersionId")) for one in answer["Deleted"]}
    gone = {"free", "governance"} if bypass else {"free"}
    assert deleted == {(name, versions[name]) for name in gone} | {("compliance", None)}
    refused = {(one["Key"], one["VersionId"], one["Code"], one["Message"]) for one in answer["Errors"]}
    assert refused == {(name, versions[name], "AccessDenied", PROTECTED) for name in set(LOCKS) - gone}


def test_an_ended_hold_lets_go(s3, lockable, refused):
    version = put(s3, lockable, **ON_HOLD)
    refused("AccessDenied", 403, s3.delete_object, Bucket=lockable, Key="k", VersionId=version)
    s3.put_object_legal_hold(Bucket=lockable, Key="k", LegalHold={"Status": "OFF"})
    s3.delete_object(Bucket=lockable, Key="k", VersionId=version)


def test_an_ended_retention_lets_go(s3, lockable, refused):
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    version = put(s3, lockable, ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=soon)
    wanted = {"Bucket": lockable, "Key": "k", "VersionId": version}
    refused("AccessDenied", 403, s3.delete_object, **wanted)
    deadline = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=20)
    while True:
        try:
            s3.delete_object(**wanted)
            break
        except s3.exceptions.ClientError:
            assert datetime.datetime.now(datetime.UTC) < deadline
    assert datetime.datetime.now(datetime.UTC) >= soon.replace(microsecond=0)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS.keys())
def test_delete_bucket(s3, lockable, refused, lock):
    version = put(s3, lockable, **lock)
    s3.delete_object(Bucket=lockable, Key="k")
    refused("BucketNotEmpty", 409, s3.delete_bucket, Bucket=lockable)
    assert s3.get_object(Bucket=lockable, Key="k", VersionId=version)["Body"].read() == b"x"


def test_a_null_version_from_before_may_be_locked(s3, bucket, refused):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    s3.put_object_legal_hold(Bucket=bucket, Key="k", VersionId="null", LegalHold={"Status": "ON"})
    refused("AccessDenied", 403, s3.delete_object, Bucket=bucket, Key="k", VersionId="null")
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"x"


def test_tags_of_a_locked_version_may_change(s3, lockable):
    put(s3, lockable, **COMPLIANCE)
    s3.put_object_tagging(Bucket=lockable, Key="k", Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_object_tagging(Bucket=lockable, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert lock_of(s3.head_object(Bucket=lockable, Key="k")) == COMPLIANCE
