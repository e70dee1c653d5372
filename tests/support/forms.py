"""Forms of browsers by hand: multipart/form-data, policies and their signatures, written from AWS's pages."""

from __future__ import annotations

import base64
import datetime
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from raw_s3 import ALGORITHM, REGION, Answer, RawS3, signing_key, timestamp

BOUNDARY = "----FormBoundaryOfTheTests"

Fields = Mapping[str, str] | Sequence[tuple[str, str]]


def iso(offset_seconds: float = 600.0) -> str:
    """An expiration: so long from now."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=offset_seconds)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def encoded_policy(conditions: Iterable[object], expiration: str | None = None, **more: object) -> str:
    document = {"expiration": iso() if expiration is None else expiration, "conditions": list(conditions), **more}
    return base64.b64encode(json.dumps(document).encode()).decode()


def signed_fields(
    keys: tuple[str, str],
    conditions: Iterable[object],
    *,
    when: str | None = None,
    expiration: str | None = None,
    region: str = REGION,
) -> dict[str, str]:
    """The fields of Signature Version 4, its own conditions added to the policy."""
    moment = when or timestamp()
    own = {
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"{keys[0]}/{moment[:8]}/{region}/s3/aws4_request",
        "x-amz-date": moment,
    }
    policy = encoded_policy([*conditions, *({name: value} for name, value in own.items())], expiration)
    signature = hmac.new(signing_key(keys[1], moment[:8], region), policy.encode(), "sha256").hexdigest()
    return {**own, "policy": policy, "x-amz-signature": signature}


def signed_fields_2(keys: tuple[str, str], conditions: Iterable[object], expiration: str | None = None) -> dict[str, str]:
    """The fields of Signature Version 2."""
    policy = encoded_policy(conditions, expiration)
    signature = base64.b64encode(hmac.new(keys[1].encode(), policy.encode(), "sha1").digest()).decode()
    return {"AWSAccessKeyId": keys[0], "policy": policy, "signature": signature}


def covering(bucket: str, fields: Fields) -> list[object]:
    """Conditions that allow exactly these fields."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return [{"bucket": bucket}, *(["starts-with", f"${name}", ""] for name, _ in pairs)]


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def encode(fields: Fields, file: bytes | None, *, file_name: str = "photo.jpg", after: Fields = ()) -> bytes:
    """The body of a form; ``file`` None: without one."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    out = [part(name, value.encode()) for name, value in pairs]
    if file is not None:
        out.append(part("file", file, f'; filename="{file_name}"\r\nContent-Type: image/jpeg'))
    later = after.items() if isinstance(after, Mapping) else after
    out += [part(name, value.encode()) for name, value in later]
    return b"".join(out) + f"--{BOUNDARY}--\r\n".encode()


@dataclass
class Forms:
    """Posts forms to one bucket of one store."""

    raw: RawS3
    bucket: str
    keys: tuple[str, str]

    def post(self, fields: Fields, file: bytes | None = b"data", *, bucket: str | None = None, **options: object) -> Answer:
        """These fields and no others."""
        return self.send(encode(fields, file, **options), bucket=bucket)

    def send(
        self, body: bytes, *, bucket: str | None = None, headers: Mapping[str, str] | None = None, boundary: str = BOUNDARY
    ) -> Answer:
        sent = {"Host": self.raw.host_header, "Content-Type": f"multipart/form-data; boundary={boundary}", **(headers or {})}
        return self.raw.send("POST", f"/{bucket or self.bucket}", "", sent, body)

    def upload(
        self,
        fields: Mapping[str, str],
        file: bytes | None = b"data",
        *,
        conditions: Iterable[object] | None = None,
        more_conditions: Iterable[object] = (),
        **options: object,
    ) -> Answer:
        """The fields with a signed policy, which allows exactly them unless there are other ``conditions``."""
        found = covering(self.bucket, fields) if conditions is None else list(conditions)
        signed = signed_fields(self.keys, [*found, *more_conditions])
        return self.post({**fields, **signed}, file, **options)
