"""Access logs over HTTP: what the requests of a logged bucket leave in its target bucket, and that it ends somewhere."""

import itertools
import os
import re
import time

import pytest
from botocore.exceptions import ClientError
from dev_server import ALICE, BOB, ROOT, DevServer
from raw_s3 import RawS3

FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|[^ ]+')
NAMES = (
    *("owner", "bucket", "time", "ip", "requester", "request_id", "operation", "key", "uri", "status", "error", "sent", "size"),
    *("total", "turnaround", "referer", "agent", "version", "host_id", "signature", "cipher", "authentication", "host", "tls"),
    *("access_point", "acl_required"),
)
DELIVERY = "3272ee65a908a7677109fedda345db8d9554ba26398b2ca10581de88777e2b61"
SECONDS = 1.0
WAIT_SECONDS = 30.0
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    environment = {"DOLMEN_ACCESS_LOG_SECONDS": str(SECONDS)}
    with DevServer(tmp_path_factory.mktemp("store"), workers=2, environment=environment) as made:
        yield made
        logs = "".join(log.read_text(errors="replace") for log in sorted((made.data / "logs").glob("*.log*")))
        assert '"unexpected"' not in logs
        assert "Traceback" not in logs


@pytest.fixture(scope="module")
def s3(store):
    return store.client()


@pytest.fixture(scope="module")
def raw(store):
    return RawS3(store.port, ROOT)


def new_bucket(s3, **more):
    name = f"logs-{os.getpid()}-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name, **more)
    return name


@pytest.fixture
def target(s3):
    return new_bucket(s3)


@pytest.fixture
def bucket(s3, target):
    return logged(s3, target)


def logged(s3, target, **more):
    """A bucket whose log goes to ``target``; the request that said so is logged as well."""
    name = new_bucket(s3)
    enable(s3, name, target, **more)
    return name


def enable(s3, bucket, target, **more):
    enabled = {"TargetBucket": target, "TargetPrefix": "p/", **more}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def log_keys(s3, target):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=target, Prefix="p/").get("Contents", [])]


def lines_of(s3, target):
    """Every line so far, as (name of the field: text)."""
    found = []
    for key in log_keys(s3, target):
        text = s3.get_object(Bucket=target, Key=key)["Body"].read().decode()
        assert text.endswith("\n")
        for line in text.splitlines():
            fields = FIELD.findall(line)
            assert len(fields) == len(NAMES), line
            found.append(dict(zip(NAMES, fields, strict=True)))
    return found


def wait(s3, target, *operations, bucket=None):
    """The lines of a target once each of these operations is among them (as often as it is named)."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = [line for line in lines_of(s3, target) if bucket in {None, line["bucket"]}]
        told = [line["operation"] for line in found]
        if all(told.count(operation) >= operations.count(operation) for operation in set(operations)):
            return found
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def one_of(lines, operation):
    (line,) = [line for line in lines if line["operation"] == operation]
    return line


def test_the_line_of_a_get(s3, store, bucket, target):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    answer = RawS3(store.port, ROOT).request(
        "GET", f"/{bucket}/a%20b", query=[("x-id", "GetObject")],
        headers={"referer": "http://www.example.com/x y", "user-agent": 'agent "quoted"', "range": "bytes=1-2"},
    )  # fmt: skip
    assert answer.status == 206
    root = s3.list_buckets()["Owner"]["ID"]
    line = one_of(wait(s3, target, "REST.GET.OBJECT"), "REST.GET.OBJECT")
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]", line.pop("time"))
    assert line.pop("total").isdigit()
    assert line.pop("turnaround").isdigit()
    assert line == {
        "owner": root, "bucket": bucket, "ip": "127.0.0.1", "requester": root,
        "request_id": answer.headers["x-amz-request-id"], "operation": "REST.GET.OBJECT", "key": "a%20b",
        "uri": f'"GET /{bucket}/a%20b?x-id=GetObject HTTP/1.1"', "status": "206", "error": "-", "sent": "2", "size": "5",
        "referer": '"http://www.example.com/x y"', "agent": '"agent %22quoted%22"', "version": "-",
        "host_id": answer.headers["x-amz-id-2"], "signature": "SigV4", "cipher": "-", "authentication": "AuthHeader",
        "host": f"127.0.0.1:{store.port}", "tls": "-", "access_point": "-", "acl_required": "-",
    }  # fmt: skip


def test_requests_of_every_kind(s3, raw, bucket, target):
    s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    s3.head_object(Bucket=bucket, Key="k")
    s3.get_object_tagging(Bucket=bucket, Key="k")
    s3.list_objects_v2(Bucket=bucket)
    s3.list_object_versions(Bucket=bucket)
    s3.head_bucket(Bucket=bucket)
    s3.get_bucket_location(Bucket=bucket)
    s3.get_bucket_logging(Bucket=bucket)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, Body=b"x")
    s3.list_parts(Bucket=bucket, Key="m", UploadId=upload)
    s3.abort_multipart_upload(Bucket=bucket, Key="m", UploadId=upload)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "copy"}]})
    s3.delete_object(Bucket=bucket, Key="k")
    assert raw.request("GET", f"/{bucket}", query=[("policy", "")]).status == 404
    expected = {
        "REST.PUT.OBJECT": ("k", "200"),
        "REST.HEAD.OBJECT": ("k", "200"),
        "REST.GET.OBJECT_TAGGING": ("k", "200"),
        "REST.GET.BUCKET": ("-", "200"),
        "REST.GET.BUCKETVERSIONS": ("-", "200"),
        "REST.HEAD.BUCKET": ("-", "200"),
        "REST.GET.LOCATION": ("-", "200"),
        "REST.GET.LOGGING_STATUS": ("-", "200"),
        "REST.POST.UPLOADS": ("m", "200"),
        "REST.PUT.PART": ("m", "200"),
        "REST.GET.UPLOAD": ("m", "200"),
        "REST.DELETE.UPLOAD": ("m", "204"),
        "REST.COPY.OBJECT": ("copy", "200"),
        "REST.POST.MULTI_OBJECT_DELETE": ("-", "200"),
        "REST.DELETE.OBJECT": ("k", "204"),
        "REST.GET.BUCKETPOLICY": ("-", "404"),
    }
    lines = wait(s3, target, *expected)
    for operation, told in expected.items():
        line = one_of(lines, operation)
        assert (line["key"], line["status"]) == told, line
    assert one_of(lines, "REST.HEAD.OBJECT")["size"] == "5"
    assert one_of(lines, "REST.HEAD.OBJECT")["sent"] == "-"
    assert one_of(lines, "REST.GET.BUCKETPOLICY")["error"] == "NoSuchBucketPolicy"


def test_refused_requests(s3, store, raw, bucket, target):
    anonymous = RawS3(store.port, None)
    assert anonymous.request("GET", f"/{bucket}/k").status == 403
    assert RawS3(store.port, ALICE).request("GET", f"/{bucket}/k").status == 403
    assert raw.request("GET", f"/{bucket}/never-was").status == 404
    lines = [line for line in wait(s3, target, *["REST.GET.OBJECT"] * 3) if line["operation"] == "REST.GET.OBJECT"]
    told = {(line["requester"][:4], line["status"], line["error"], line["signature"], line["authentication"]) for line in lines}
    root = s3.list_buckets()["Owner"]["ID"][:4]
    assert told == {
        ("-", "403", "AccessDenied", "-", "-"),
        ("aaaa", "403", "AccessDenied", "SigV4", "AuthHeader"),
        (root, "404", "NoSuchKey", "SigV4", "AuthHeader"),
    }
    assert {line["size"] for line in lines} == {"-"}


def test_presigned_requests_do_not_show_their_signature(s3, store, bucket, target):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    query = RawS3(store.port, ROOT).presigned("GET", f"/{bucket}/k")
    assert RawS3(store.port, None).request("GET", f"/{bucket}/k", query=query).status == 200
    line = one_of(wait(s3, target, "REST.GET.OBJECT"), "REST.GET.OBJECT")
    assert "X-Amz-Signature=REDACTED" in line["uri"]
    assert query.rpartition("=")[2] not in line["uri"]
    assert (line["authentication"], line["signature"]) == ("QueryString", "SigV4")


def test_versions(s3, bucket, target):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read()
    line = one_of(wait(s3, target, "REST.GET.OBJECT"), "REST.GET.OBJECT")
    assert line["version"] == version


@pytest.mark.parametrize("key", ["ü/☃", "a&b", 'quote"d', "two\nlines", "100%"])
def test_keys(s3, bucket, target, key):
    from urllib.parse import unquote

    s3.put_object(Bucket=bucket, Key=key, Body=b"")
    line = one_of(wait(s3, target, "REST.PUT.OBJECT"), "REST.PUT.OBJECT")
    assert unquote(line["key"]) == key
    assert line["key"].isascii()


# -- log objects -------------------------------------------------------------------------------------------------------------


def test_names_of_log_objects(s3, bucket, target):
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    for key in log_keys(s3, target):
        assert re.fullmatch(r"p/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}", key), key


@pytest.mark.parametrize(("source", "clock"), [("EventTime", "00-00-00"), ("DeliveryTime", r"\d\d-\d\d-\d\d")])
def test_partitioned_names(s3, target, source, clock):
    bucket = logged(s3, target, TargetObjectKeyFormat={"PartitionedPrefix": {"PartitionDateSource": source}})
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    for key in log_keys(s3, target):
        pattern = rf"p/000000000000/us-east-1/{bucket}/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3-{clock}-[0-9A-F]{{16}}"
        assert re.fullmatch(pattern, key), key


def test_a_log_object_is_an_object(s3, bucket, target):
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    found = s3.head_object(Bucket=target, Key=log_keys(s3, target)[0])
    assert found["ContentType"] == "text/plain"
    assert re.fullmatch(r'"[0-9a-f]{32}"', found["ETag"])


def test_target_grants(s3, store):
    target = new_bucket(s3, ObjectOwnership="BucketOwnerPreferred")
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "READ"}
    bucket = logged(s3, target, TargetGrants=[grant])
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    key = log_keys(s3, target)[0]
    grants = s3.get_object_acl(Bucket=target, Key=key)["Grants"]
    assert sorted((one["Grantee"]["ID"][:4], one["Permission"]) for one in grants) == sorted(
        [("aaaa", "READ"), (s3.list_buckets()["Owner"]["ID"][:4], "FULL_CONTROL")]
    )
    assert store.client(ALICE).get_object(Bucket=target, Key=key)["Body"].read()


def test_grants_of_a_target_whose_acls_were_disabled_since(s3):
    target = new_bucket(s3, ObjectOwnership="BucketOwnerPreferred")
    grant = {"Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "READ"}
    bucket = logged(s3, target, TargetGrants=[grant])
    rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.put_bucket_ownership_controls(Bucket=target, OwnershipControls={"Rules": rules})
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")


def test_tenants(store, s3):
    bob = store.client(BOB)
    target = new_bucket(bob)
    bucket = logged(bob, target)
    bob.head_bucket(Bucket=bucket)
    line = one_of(wait(bob, target, "REST.HEAD.BUCKET"), "REST.HEAD.BUCKET")
    assert (line["owner"], line["requester"], line["bucket"]) == ("b" * 64, "b" * 64, bucket)


def test_a_target_with_object_lock_and_versions(s3):
    target = new_bucket(s3, ObjectLockEnabledForBucket=True)
    bucket = logged(s3, target)
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    (version,) = s3.list_object_versions(Bucket=target, MaxKeys=1)["Versions"]
    assert version["VersionId"] != "null"


# -- beginnings and ends -----------------------------------------------------------------------------------------------------


def test_nothing_is_logged_before_and_after(s3, target):
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="before", Body=b"")
    enable(s3, bucket, target)
    s3.put_object(Bucket=bucket, Key="during", Body=b"")
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    s3.put_object(Bucket=bucket, Key="after", Body=b"")
    other = logged(s3, target)
    s3.put_object(Bucket=other, Key="last", Body=b"")
    lines = wait(s3, target, *["REST.PUT.OBJECT"] * 2)
    time.sleep(2 * SECONDS)
    lines = lines_of(s3, target)
    assert sorted(line["key"] for line in lines if line["operation"] == "REST.PUT.OBJECT") == ["during", "last"]


def test_a_target_that_is_gone_harms_nothing(s3):
    target = new_bucket(s3)
    bucket = logged(s3, target)
    s3.delete_bucket(Bucket=target)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    time.sleep(1.5 * SECONDS)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.create_bucket(Bucket=target)
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")


def test_a_bucket_that_logs_to_itself_comes_to_rest(s3):
    """Its deliveries are told once, and those of these lines are not."""
    bucket = new_bucket(s3)
    enable(s3, bucket, bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    time.sleep(4.5 * SECONDS)  # a delivery, one of its line, and time for one that must not follow
    lines = [line for line in lines_of(s3, bucket) if line["requester"] == DELIVERY]
    told = {line["key"] for line in lines}
    assert 1 <= len(told) <= 2  # one for each gateway that had lines of clients
    assert {line["operation"] for line in lines} == {"REST.PUT.OBJECT"}
    assert all(line["agent"] == '"Dolmen log delivery"' for line in lines)


def test_a_clean_stop_delivers_what_there_is(tmp_path):
    with DevServer(tmp_path, environment={"DOLMEN_ACCESS_LOG_SECONDS": "3600"}) as server:
        s3 = server.client()
        target = new_bucket(s3)
        bucket = logged(s3, target)
        s3.put_object(Bucket=bucket, Key="k", Body=b"")
        assert log_keys(s3, target) == []
        assert server.stop() == 0
        server.start()
        assert one_of(wait(s3, target, "REST.PUT.OBJECT"), "REST.PUT.OBJECT")["key"] == "k"


def test_many_lines(s3, store, bucket, target):
    """Each request once, whichever of the two gateways answered it."""
    clients = [store.client() for _ in range(4)]
    for number in range(200):
        clients[number % 4].head_bucket(Bucket=bucket)
    lines = wait(s3, target, *["REST.HEAD.BUCKET"] * 200)
    assert sum(line["operation"] == "REST.HEAD.BUCKET" for line in lines) == 200
    assert len({line["request_id"] for line in lines}) == len(lines)


def test_who_may_not_write_the_target(s3, store, bucket, target):
    """Delivery is the owner's own: policies about others do not stop it."""
    with pytest.raises(ClientError):
        store.client(ALICE).put_object(Bucket=target, Key="p/forged", Body=b"")
    s3.head_bucket(Bucket=bucket)
    wait(s3, target, "REST.HEAD.BUCKET")
    assert "p/forged" not in log_keys(s3, target)


def test_each_key_of_a_multi_delete(s3, bucket, target):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "nonsense"}]})
    batch = "BATCH.DELETE.OBJECT"
    lines = [line for line in wait(s3, target, batch, batch, "REST.POST.MULTI_OBJECT_DELETE") if line["operation"] == batch]
    told = sorted((line["key"], line["status"], line["error"], line["version"]) for line in lines)
    assert told == [("a", "204", "-", "-"), ("b", "404", "NoSuchVersion", "nonsense")]


def test_the_read_of_a_copys_source_and_the_size_of_what_is_stored(s3, bucket, target):
    s3.put_object(Bucket=bucket, Key="from", Body=b"12345")
    s3.copy_object(Bucket=bucket, Key="to", CopySource={"Bucket": bucket, "Key": "from"})
    lines = wait(s3, target, "REST.PUT.OBJECT", "REST.COPY.OBJECT", "REST.COPY.OBJECT_GET")
    read = one_of(lines, "REST.COPY.OBJECT_GET")
    assert (read["key"], read["size"]) == ("from", "5")
    assert one_of(lines, "REST.PUT.OBJECT")["size"] == "5"
