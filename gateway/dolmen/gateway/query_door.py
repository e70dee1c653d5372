"""IAM and STS on the port of S3: told apart by the service that was signed for, or by being a form to the root."""

from __future__ import annotations

from dolmen.gateway.admission import Asked
from dolmen.gateway.http.request import Request
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services


def is_query_request(request: Request) -> bool:
    """An unsigned request of the query protocol: AssumeRoleWithWebIdentity proves itself by its token."""
    content_type = request.headers.get("content-type", "")
    return request.method == "POST" and content_type.startswith("application/x-www-form-urlencoded")


async def serve_query(services: Services, request: Request, asked: Asked) -> Response:
    """The answer of IAM or STS, errors included."""
    raise S3Fault("NotImplemented")
