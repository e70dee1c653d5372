"""ListObjects (V1 and V2), ListObjectVersions, ListMultipartUploads, ListParts."""

from __future__ import annotations
