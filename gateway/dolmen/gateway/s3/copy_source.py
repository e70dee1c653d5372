"""The header ``x-amz-copy-source``. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.names import KEY_BYTES_MAX, is_addressable, is_bucket_name, split_tenant

_VERSION = "?versionId="


def parse_source(value: str) -> tuple[str, bytes, str | None]:
    """(bucket, key, version id) of ``[/]bucket/key[?versionId=ID]``; the bucket may be ``tenant:bucket``. Raises InvalidArgument.

    Bucket and key are percent-decoded once; ``+`` means a space, as AWS reads this header (a plus is ``%2B``). A ``?`` that
    does not begin ``?versionId=`` belongs to the key: some clients do not encode it.
    """
    path, marker, version_id = value.rpartition(_VERSION)
    if not marker:
        path = value
    raw = unquote_to_bytes(path.replace("+", " ").encode()).removeprefix(b"/")
    raw_bucket, slash, key = raw.partition(b"/")
    if not slash or not raw_bucket or not key:
        raise _fault("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", value)
    try:
        bucket = raw_bucket.decode()
        key.decode()
    except UnicodeDecodeError as error:
        raise _fault("Invalid copy source encoding", value) from error
    if not is_addressable(bucket) or not is_bucket_name(split_tenant(bucket)[1]):
        raise _fault("Invalid copy source bucket name", value)
    if len(key) > KEY_BYTES_MAX:
        raise _fault("Invalid copy source object key", value)
    if marker and not version_id:
        raise _fault("Version id cannot be the empty string", value)
    return bucket, key, version_id if marker else None


def _fault(message: str, value: str) -> S3Fault:
    return S3Fault("InvalidArgument", message, fields=(("ArgumentName", "x-amz-copy-source"), ("ArgumentValue", value)))
