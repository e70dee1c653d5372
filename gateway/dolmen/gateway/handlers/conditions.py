"""Write conditions out of headers: only read here, decided by the metadata store at the commit point."""

from __future__ import annotations

from collections.abc import Mapping

from dolmen.gateway.metadata.records import NO_CONDITION, WriteCondition
from dolmen.gateway.s3.conditions import parse_etags
from dolmen.gateway.s3.fault import S3Fault


def write_condition(headers: Mapping[str, str]) -> WriteCondition:
    """Of PutObject, CopyObject and CompleteMultipartUpload. S3 takes ``If-Match`` with an ETag and ``If-None-Match: *`` only.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html. Raises NotImplemented.
    """
    if_match, if_none_match = headers.get("if-match"), headers.get("if-none-match")
    if if_match is None and if_none_match is None:
        return NO_CONDITION
    if if_none_match is not None and if_none_match.strip() != "*":
        raise S3Fault("NotImplemented", fields=(("Header", "If-None-Match"),))
    return WriteCondition(
        if_match=parse_etags(if_match) if if_match is not None else (),
        if_none_match=("*",) if if_none_match is not None else (),
    )
