"""A mixed load of S3 clients that knows, for each of its keys, what may be there after a crash.

Each client owns its keys. For each key the history keeps what the last acknowledged operation left (bytes, or nothing) and, if an
operation was in flight when the store died, what that one would have left: after a restart one of the two must be
there, whole.
"""

from __future__ import annotations

import hashlib
import random
import threading
from dataclasses import dataclass, field

import botocore.exceptions

PART_BYTES = 5 << 20  # the least that S3 takes
SIZES = (0, 1, 500, 4096, 70_000, 131_072, 131_073, 1_000_000, 2_097_152, 2_097_153, 4_500_000)
KEYS_PER_CLIENT = 12


def content(seed: int, size: int) -> bytes:
    """Bytes that belong to one write alone."""
    return random.Random(seed).randbytes(size)


@dataclass
class Key:
    """What is known of a key: digests of bodies; None means that there is no object."""

    acknowledged: str | None = None
    in_flight: list[str | None] = field(default_factory=list)  # outcomes that nobody confirmed or denied

    def candidates(self) -> set[str | None]:
        return {self.acknowledged, *self.in_flight}


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Client(threading.Thread):
    """One S3 client: puts, overwrites, deletes, multipart uploads, reads and lists, until the store is gone."""

    def __init__(self, s3, bucket: str, number: int, seed: int) -> None:
        super().__init__(name=f"client-{number}", daemon=True)
        self.s3, self.bucket, self.number = s3, bucket, number
        self.random = random.Random(seed)
        self.keys: dict[str, Key] = {f"c{number:02}/{index}": Key() for index in range(KEYS_PER_CLIENT)}
        self.operations = 0
        self.wrong: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            name = self.random.choice(list(self.keys))
            operation = self.random.choices(
                (self.put, self.delete, self.multipart, self.read, self.list), (10, 3, 1, 6, 1)
            )[0]
            try:
                operation(name, self.keys[name])
                self.operations += 1
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
                if not self._expected(error):
                    self.wrong.append(f"{operation.__name__} {name}: {error}")
                if self.stopping.wait(0.05):
                    return

    @staticmethod
    def _expected(error: Exception) -> bool:
        """While the store dies: no connection, a broken one, or 503."""
        if isinstance(error, botocore.exceptions.ClientError):
            told = error.response["ResponseMetadata"]
            # botocore makes an error of the status alone when the connection broke before the document that was announced.
            is_broken = error.response["Error"]["Code"] == str(told["HTTPStatusCode"])
            announced = told["HTTPHeaders"].get("content-length", "0") != "0"
            return told["HTTPStatusCode"] == 503 or (is_broken and announced)
        return True

    def _settle(self, key: Key, outcome: str | None) -> None:
        """An acknowledgement: whatever was unknown before is overtaken."""
        key.acknowledged = outcome
        key.in_flight.clear()

    def put(self, name: str, key: Key) -> None:
        body = content(self.random.getrandbits(64), self.random.choice(SIZES))
        key.in_flight.append(digest(body))
        self.s3.put_object(Bucket=self.bucket, Key=name, Body=body)
        self._settle(key, digest(body))

    def delete(self, name: str, key: Key) -> None:
        key.in_flight.append(None)
        self.s3.delete_object(Bucket=self.bucket, Key=name)
        self._settle(key, None)

    def multipart(self, name: str, key: Key) -> None:
        body = content(self.random.getrandbits(64), PART_BYTES + self.random.randrange(1, 900_000))
        upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key=name)["UploadId"]
        parts = []
        for number, piece in enumerate((body[:PART_BYTES], body[PART_BYTES:]), 1):
            answer = self.s3.upload_part(
                Bucket=self.bucket, Key=name, UploadId=upload, PartNumber=number, Body=piece
            )
            parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        key.in_flight.append(digest(body))
        self.s3.complete_multipart_upload(
            Bucket=self.bucket, Key=name, UploadId=upload, MultipartUpload={"Parts": parts}
        )
        self._settle(key, digest(body))

    def read(self, name: str, key: Key) -> None:
        found = self._get(name)
        if found not in key.candidates():
            self.wrong.append(f"read {name}: {found} is none of {key.candidates()}")

    def _get(self, name: str) -> str | None:
        try:
            return digest(self.s3.get_object(Bucket=self.bucket, Key=name)["Body"].read())
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def list(self, name: str, key: Key) -> None:
        self.s3.list_objects_v2(Bucket=self.bucket, Prefix=f"c{self.number:02}/")

    def check(self, listed: dict[str, str]) -> list[str]:
        """After a restart: every key holds a candidate, and the list agrees with it. What is found counts from here on."""
        wrong = []
        for name, key in self.keys.items():
            found = self._get(name)
            if found not in key.candidates():
                wrong.append(f"{name}: {found} is none of {key.candidates()}")
            if (found is not None) != (name in listed):
                wrong.append(f"{name}: GET says {found}, LIST says {listed.get(name)}")
            self._settle(key, found)
        return wrong
