"""What a store writes to its logs at the level debug holds no secret, no signature, no session token, no policy of a form."""

import re
import urllib.error
import urllib.request

import pytest
import urllib3
from botocore.exceptions import ClientError
from dev_server import ALICE, BOB, ROOT, DevServer
from forms import Forms, covering, signed_fields, signed_fields_2
from raw_s3 import STREAMING, UNSIGNED_TRAILER, RawS3, chunked

TOKEN = "FwoGZXIvYXdzEXAMPLEsessiontoken0123456789"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    options = ("--log-level", "debug")
    with DevServer(tmp_path_factory.mktemp("talkative"), options=options, environment={"DOLMEN_SIGV2": "true"}) as made:
        yield made


def logged(store):
    """All that the processes wrote, wherever they wrote it."""
    files = [store.directory / "output.log", *(store.data / "logs").glob("*")]
    return "\n".join(path.read_text(errors="replace") for path in files if path.is_file())


def signatures_of(text):
    """Hexadecimal and base64 signatures in what was sent."""
    found = re.findall(r"[Ss]ignature[=:]\"?([0-9a-f]{64}|[A-Za-z0-9+/%]{26,40}={0,2})", text)
    return [one for one in found if len(one) > 20]


def by_hand(store):
    """Streaming bodies and forms, right and wrong; their signatures and policies."""
    sent = []
    raw = RawS3(store.port, ROOT)
    for payload in (STREAMING, UNSIGNED_TRAILER):
        headers, signature = raw.headers_for("PUT", "/box/s", headers={"x-amz-decoded-content-length": "9"}, payload=payload)
        sent.append(signature.value)
        raw.send("PUT", "/box/s", "", headers, chunked(b"123456789", [9], signature if payload == STREAMING else None))
        raw.send("PUT", "/box/s", "", headers, b"broken")
    forms = Forms(RawS3(store.port, None), "box", ROOT)
    for made in (signed_fields(ROOT, covering("box", {"key": "f"})), signed_fields_2(ROOT, covering("box", {"key": "f"}))):
        sent.extend([made["policy"], made.get("x-amz-signature") or made["signature"]])
        forms.post({"key": "f", **made})
        forms.post({"key": "f", "acl": "private", **made})
        forms.post({"key": "f", **made, "policy": made["policy"] + "A"})
    return sent


def test_nothing_secret_is_logged(store):
    sent = []  # whatever must not come out again

    def remember(request, **_):
        sent.extend(signatures_of(str(dict(request.headers)) + request.url))

    client = store.client()
    client.meta.events.register("before-send.s3", remember)
    client.create_bucket(Bucket="box")
    client.put_object(Bucket="box", Key="k", Body=b"x", Metadata={"a": "b"})
    client.get_object(Bucket="box", Key="k")
    for keys in ((ROOT[0], "a-wrong-secret-0123456789"), ("AKIDNOBODY0000000000", "an-unknown-secret-0123456789"), ALICE, BOB):
        sent.append(keys[1])
        other = store.client(keys)
        other.meta.events.register("before-send.s3", remember)
        with pytest.raises(ClientError):
            other.get_object(Bucket="box", Key="k")
    token = store.client()
    token._request_signer._credentials.token = TOKEN
    token.meta.events.register("before-send.s3", remember)
    with pytest.raises(ClientError):
        token.list_objects_v2(Bucket="box")
    for method, arguments in (("put_object", {"Body": b"x"}), ("get_object", {})):
        with pytest.raises(ClientError):  # over plain HTTP, or not built in: refused either way or taken
            getattr(client, method)(
                Bucket="box", Key="c" if method == "put_object" else "missing",
                SSECustomerAlgorithm="AES256", SSECustomerKey="k" * 31, **arguments,
            )  # fmt: skip
    for version in ("s3v4", "s3"):
        signer = store.client(signature_version=version)
        for operation, key in (("get_object", "k"), ("get_object", "missing"), ("put_object", "new")):
            url = signer.generate_presigned_url(operation, Params={"Bucket": "box", "Key": key})
            sent.extend(signatures_of(url))
            for changed in (url, url + "&prefix=x", url.replace("Expires=", "Expires=1")):
                try:
                    urllib.request.urlopen(changed)
                except urllib.error.HTTPError as error:
                    error.close()
        made = signer.generate_presigned_post("box", "form")
        sent.extend([made["fields"]["policy"], made["fields"].get("x-amz-signature") or made["fields"]["signature"]])
        for fields in (made["fields"], {**made["fields"], "key": "other"}):
            urllib3.request("POST", made["url"], fields={**fields, "file": ("f", b"x", "text/plain")})
    sent += by_hand(store)
    sent.extend([ROOT[1], ALICE[1], BOB[1], TOKEN, "k" * 31])
    assert len(sent) > 30
    text = logged(store)
    assert '"refused"' in text or "refused" in text, "the level debug says something"
    for secret in sent:
        assert secret not in text
        assert secret[:24] not in text or len(secret) < 24
    assert "AWS4-HMAC-SHA256 Credential" not in text
    assert "X-Amz-Signature=" not in text
