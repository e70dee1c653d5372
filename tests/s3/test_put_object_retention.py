"""PutObjectRetention: https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObjectRetention.html"""

import datetime

import pytest

DAY = datetime.timedelta(days=1)
YEAR_2100 = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
PROTECTED = "Access Denied because object protected by object lock."


def ahead(days=1):
    return (datetime.datetime.now(datetime.UTC) + days * DAY).replace(microsecond=0)


def retain(s3, bucket, mode, until, **more):
    retention = {"Mode": mode, "RetainUntilDate": until} if mode else {}
    return s3.put_object_retention(Bucket=bucket, Key="k", Retention=retention, **more)


def told(s3, bucket, **more):
    found = s3.get_object_retention(Bucket=bucket, Key="k", **more)["Retention"]
    return found["Mode"], found["RetainUntilDate"]


@pytest.fixture
def version(s3, lockable):
    return s3.put_object(Bucket=lockable, Key="k", Body=b"x")["VersionId"]


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
@pytest.mark.parametrize("until", [ahead(), YEAR_2100], ids=["tomorrow", "2100"])
def test_set_and_told(s3, lockable, version, mode, until):
    answer = retain(s3, lockable, mode, until)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert told(s3, lockable) == (mode, until)
    assert told(s3, lockable, VersionId=version) == (mode, until)
    head = s3.head_object(Bucket=lockable, Key="k")
    assert (head["ObjectLockMode"], head["ObjectLockRetainUntilDate"]) == (mode, until)


def test_one_version_only(s3, lockable, version):
    newer = s3.put_object(Bucket=lockable, Key="k", Body=b"y")["VersionId"]
    until = ahead()
    retain(s3, lockable, "GOVERNANCE", until, VersionId=version)
    assert told(s3, lockable, VersionId=version) == ("GOVERNANCE", until)
    assert "ObjectLockMode" not in s3.head_object(Bucket=lockable, Key="k", VersionId=newer)


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_extending_is_always_allowed(s3, lockable, version, mode):
    retain(s3, lockable, mode, ahead(1))
    later = ahead(2)
    retain(s3, lockable, mode, later)
    assert told(s3, lockable) == (mode, later)
    retain(s3, lockable, mode, later)  # the same again


WEAKER = {
    "governance is shortened": ("GOVERNANCE", "GOVERNANCE", 1),
    "governance becomes compliance": ("GOVERNANCE", "COMPLIANCE", 3),
    "governance goes": ("GOVERNANCE", None, 0),
    "compliance is shortened": ("COMPLIANCE", "COMPLIANCE", 1),
    "compliance becomes governance": ("COMPLIANCE", "GOVERNANCE", 3),
    "compliance goes": ("COMPLIANCE", None, 0),
}


@pytest.mark.parametrize(("before", "after", "days"), WEAKER.values(), ids=WEAKER.keys())
def test_weakening_is_refused(s3, lockable, version, refused, before, after, days):
    until = ahead(2)
    retain(s3, lockable, before, until)
    retention = {"Mode": after, "RetainUntilDate": ahead(days)} if after else {}
    error = refused("AccessDenied", 403, s3.put_object_retention, Bucket=lockable, Key="k", Retention=retention)
    assert error["Message"] == PROTECTED
    assert told(s3, lockable) == (before, until)


@pytest.mark.parametrize(
    ("after", "days"), [("GOVERNANCE", 1), ("COMPLIANCE", 1), ("COMPLIANCE", 3), (None, 0)]
)
def test_governance_is_weakened_with_the_bypass(s3, lockable, version, after, days):
    retain(s3, lockable, "GOVERNANCE", ahead(2))
    until = ahead(days)
    retain(s3, lockable, after, until, BypassGovernanceRetention=True)
    if after:
        assert told(s3, lockable) == (after, until)
    else:
        assert "ObjectLockMode" not in s3.head_object(Bucket=lockable, Key="k")
        s3.delete_object(Bucket=lockable, Key="k", VersionId=version)


@pytest.mark.parametrize(("after", "days"), [("COMPLIANCE", 1), ("GOVERNANCE", 3), (None, 0)])
def test_compliance_knows_no_bypass(s3, lockable, version, refused, after, days):
    until = ahead(2)
    retain(s3, lockable, "COMPLIANCE", until)
    retention = {"Mode": after, "RetainUntilDate": ahead(days)} if after else {}
    refused(
        "AccessDenied", 403, s3.put_object_retention,
        Bucket=lockable, Key="k", Retention=retention, BypassGovernanceRetention=True,
    )  # fmt: skip
    assert told(s3, lockable) == ("COMPLIANCE", until)


def test_nothing_to_take_away(s3, lockable, version):
    retain(s3, lockable, None, None)
    assert "ObjectLockMode" not in s3.head_object(Bucket=lockable, Key="k")


def test_the_hold_stays(s3, lockable, version):
    s3.put_object_legal_hold(Bucket=lockable, Key="k", LegalHold={"Status": "ON"})
    retain(s3, lockable, "GOVERNANCE", ahead())
    assert s3.get_object_legal_hold(Bucket=lockable, Key="k")["LegalHold"] == {"Status": "ON"}


def test_the_tags_stay(s3, lockable):
    s3.put_object(Bucket=lockable, Key="k", Body=b"x", Tagging="a=1")
    retain(s3, lockable, "GOVERNANCE", ahead())
    assert s3.get_object_tagging(Bucket=lockable, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}]


def document(inner):
    return f'<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</Retention>'.encode()


UNTIL = "<RetainUntilDate>2100-01-01T00:00:00Z</RetainUntilDate>"
MODE = "<Mode>GOVERNANCE</Mode>"
BROKEN = {
    "no body": b"",
    "no XML": b"<Retention",
    "another root": b"<Hold/>",
    "a mode only": document(MODE),
    "a date only": document(UNTIL),
    "another mode": document(f"<Mode>governance</Mode>{UNTIL}"),
    "no date": document(f"{MODE}<RetainUntilDate>soon</RetainUntilDate>"),
    "two modes": document(MODE + MODE + UNTIL),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_malformed(raw, lockable, version, body):
    answer = raw.request("PUT", f"/{lockable}/k", "retention", body=body)
    assert answer.told == (400, "MalformedXML"), answer.body


@pytest.mark.parametrize("date", ["2020-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"])
def test_a_date_in_the_past(raw, lockable, version, date):
    answer = raw.request("PUT", f"/{lockable}/k", "retention", body=document(f"{MODE}<RetainUntilDate>{date}</RetainUntilDate>"))
    assert answer.told == (400, "InvalidArgument")
    assert answer.error["Message"] == "The retain until date must be in the future!"
    assert answer.error["ArgumentName"] == "RetainUntilDate"


def test_fractions_of_a_second_protect_no_shorter(raw, s3, lockable, version):
    body = document(f"{MODE}<RetainUntilDate>2099-12-31T23:59:59.001Z</RetainUntilDate>")
    assert raw.request("PUT", f"/{lockable}/k", "retention", body=body).status == 200
    assert told(s3, lockable) == ("GOVERNANCE", YEAR_2100)


def test_event_holds_are_refused_by_name(raw, lockable, version):
    body = document(f"{MODE}{UNTIL}<EventHold>ON</EventHold>")
    assert raw.request("PUT", f"/{lockable}/k", "retention", body=body).told == (501, "NotImplemented")


def test_a_bucket_without_object_lock(s3, versioned, refused):
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    error = refused(
        "InvalidRequest", 400, s3.put_object_retention,
        Bucket=versioned, Key="k", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": YEAR_2100},
    )  # fmt: skip
    assert error["Message"] == "Bucket is missing Object Lock Configuration"


def test_nothing_to_lock(s3, lockable, refused, version):
    wanted = {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": YEAR_2100}, "Bucket": lockable}
    refused("NoSuchKey", 404, s3.put_object_retention, Key="nothing", **wanted)
    refused("InvalidArgument", 400, s3.put_object_retention, Key="k", VersionId="no-such-id", **wanted)
    other = s3.put_object(Bucket=lockable, Key="other", Body=b"x")["VersionId"]
    refused("NoSuchVersion", 404, s3.put_object_retention, Key="k", VersionId=other, **wanted)
    marker = s3.delete_object(Bucket=lockable, Key="k")["VersionId"]
    error = refused("MethodNotAllowed", 405, s3.put_object_retention, Key="k", VersionId=marker, **wanted)
    assert error["ResourceType"] == "DeleteMarker"
