"""What is wrong with a document."""

from __future__ import annotations


class PolicyError(ValueError):
    """The document is not a policy; the text is AWS's. ``detail``: what of it, for the <Detail> of S3's answer."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
