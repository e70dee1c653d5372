"""Who uploads by a form: users, sessions with their tokens; and signatures that were made for another service."""

import hmac
import json
import time

import pytest
from dev_server import ROOT, DevServer
from forms import Forms, covering, signed_fields, signed_fields_2
from iam_people import ACCOUNT, People, document, trust
from raw_s3 import ALGORITHM, REGION, RawS3, sha256, signing_key, timestamp

DEADLINE_SECONDS = 20.0  # until the other gateway process has seen a new user


@pytest.fixture(scope="module")
def people(server):
    return People(server)


def eventually(post, told):
    """The answer, as soon as it is this one: both processes learn of new keys within seconds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        answer = post()
        found = answer.status if isinstance(told, int) else answer.told if answer.body else answer.status
        if found == told or time.monotonic() > deadline:
            assert found == told, answer
            return answer
        time.sleep(0.1)


def test_a_user(people, anonymous, s3, bucket):
    _, keys = people.user(document(("Allow", "s3:PutObject", f"arn:aws:s3:::{bucket}/in/*")))
    forms = Forms(anonymous, bucket, keys)
    eventually(lambda: forms.upload({"key": "in/${filename}"}), 204)
    assert s3.get_object(Bucket=bucket, Key="in/photo.jpg")["Body"].read() == b"data"
    assert forms.upload({"key": "out/k"}).told == (403, "AccessDenied")
    tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
    assert forms.upload({"key": "in/k", "tagging": tagging}).told == (403, "AccessDenied")
    assert forms.upload({"key": "in/k", "acl": "public-read"}).told[0] in (400, 403)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["in/photo.jpg"]


def test_a_session(people, anonymous, s3, bucket):
    name, keys = people.user()
    role = people.role(
        trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}), document(("Allow", "s3:PutObject", f"arn:aws:s3:::{bucket}/*"))
    )
    given = people.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
    forms = Forms(anonymous, bucket, (given["AccessKeyId"], given["SecretAccessKey"]))
    fields = {"key": "k", "x-amz-security-token": given["SessionToken"]}
    eventually(lambda: forms.upload(fields), 204)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"data"
    # The token must be covered by the policy like any other field, and be the one of this key.
    uncovered = {"key": "l", **signed_fields(forms.keys, [{"bucket": bucket}, {"key": "l"}])}
    answer = forms.post({**uncovered, "x-amz-security-token": given["SessionToken"]})
    assert answer.error["Message"] == "Invalid according to Policy: Extra input fields: x-amz-security-token"
    for token in ("", "x", given["SessionToken"][:-4] + "AAAA"):
        changed = {"key": "l", "x-amz-security-token": token} if token else {"key": "l"}
        assert forms.upload(changed).told in ((400, "InvalidToken"), (403, "InvalidAccessKeyId"))
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]


@pytest.mark.parametrize(
    ("key", "value", "fine"),
    [
        ("s3:authType", "POST", True),
        ("s3:authType", "REST-HEADER", False),
        ("s3:signatureversion", "AWS4-HMAC-SHA256", True),
        ("s3:signatureversion", "AWS", False),
        ("s3:x-amz-storage-class", "STANDARD_IA", True),
        ("s3:x-amz-storage-class", "GLACIER", False),
    ],
)
def test_conditions_of_a_bucket_policy(people, anonymous, s3, bucket, key, value, fine):
    """A form's fields and its signature are what the conditions see."""
    denied = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    _, keys = people.user(document(("Allow", "s3:PutObject", f"arn:aws:s3:::{bucket}/*")))
    statement = {**denied, "Condition": {"StringNotEquals": {key: value}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    forms = Forms(anonymous, bucket, keys)
    fields = {"key": "k", "x-amz-storage-class": "STANDARD_IA"}
    eventually(lambda: forms.upload(fields), 204 if fine else (403, "AccessDenied"))


@pytest.mark.parametrize("service", ["iam", "sts"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_signatures_for_other_services_do_nothing_in_s3(server, s3, bucket, service, method):
    """A request that was signed for IAM or STS is none for S3, whatever its path."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"the secret bytes")
    raw, path, when = RawS3(server.port, ROOT), f"/{bucket}/k", timestamp()
    headers = {"Host": raw.host_header, "x-amz-date": when}
    lower = {name.lower(): value for name, value in headers.items()}
    lines = "".join(f"{name}:{lower[name]}\n" for name in sorted(lower))
    names = ";".join(sorted(lower))
    canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{sha256('')}"
    scope = f"{when[:8]}/{REGION}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{when}\n{scope}\n{sha256(canonical)}"


    value = hmac.new(signing_key(ROOT[1], when[:8], service=service), text.encode(), "sha256").hexdigest()
    headers["Authorization"] = f"{ALGORITHM} Credential={ROOT[0]}/{scope}, SignedHeaders={names}, Signature={value}"
    answer = raw.send(method, path, "", headers, None)
    assert 400 <= answer.status < 500
    assert b"the secret bytes" not in answer.body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"the secret bytes"


def test_sessions_with_version_2(tmp_path):
    """Tokens are part of what Version 2 signs as well: in headers, in URLs and in forms."""
    with DevServer(tmp_path, environment={"DOLMEN_SIGV2": "true"}) as store:
        people = People(store)
        store.client().create_bucket(Bucket="box")
        name, keys = people.user()
        allowed = document(("Allow", "s3:*", ["arn:aws:s3:::box", "arn:aws:s3:::box/*"]))
        role = people.role(trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"}), allowed)
        given = people.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="s1")["Credentials"]
        client = people.client("s3", given, signature_version="s3")
        client.put_object(Bucket="box", Key="k", Body=b"data")
        assert client.get_object(Bucket="box", Key="k")["Body"].read() == b"data"
        raw = RawS3(store.port, None)
        query = client.generate_presigned_url("get_object", Params={"Bucket": "box", "Key": "k"}).partition("?")[2]
        assert "x-amz-security-token=" in query
        assert raw.send("GET", "/box/k", query, {"Host": raw.host_header}, None).body == b"data"
        without = "&".join(pair for pair in query.split("&") if not pair.startswith("x-amz-security-token"))
        assert raw.send("GET", "/box/k", without, {"Host": raw.host_header}, None).status in (400, 403)
        short = (given["AccessKeyId"], given["SecretAccessKey"])
        fields = {"key": "form", "x-amz-security-token": given["SessionToken"]}
        assert Forms(raw, "box", short).post({**fields, **signed_fields_2(short, covering("box", fields))}).status == 204
