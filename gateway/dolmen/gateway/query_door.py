"""IAM and STS on the port of S3: told apart by the service that was signed for, or by being a form to the root."""

from __future__ import annotations

from urllib.parse import parse_qsl

from dolmen.gateway.admission import QUERY_SERVICES, Admission, Asked
from dolmen.gateway.http.body import Body
from dolmen.gateway.http.request import Request
from dolmen.gateway.iam.query import refuse, serve
from dolmen.gateway.iam.wire import FORM_BYTES_MAX, PARAMETERS_MAX
from dolmen.gateway.s3.fault import S3Fault
from dolmen.gateway.s3.render import Response
from dolmen.gateway.services import Services

FORM = "application/x-www-form-urlencoded"
STS = "sts"


def is_query_request(request: Request) -> bool:
    """A form without a signature for S3: AssumeRoleWithWebIdentity proves itself by its token."""
    return request.method == "POST" and request.headers.get("content-type", "").startswith(FORM)


def signed_service(request: Request) -> str:
    """The service in the scope of a signature, whether it holds or not: "iam", "sts", or "" for any other."""
    claim = request.headers.get("authorization") or request.raw_query.decode("latin-1").replace("%2F", "/").replace("%2f", "/")
    return next((service for service in QUERY_SERVICES if f"/{service}/aws4_request" in claim), "")


async def serve_query(services: Services, admission: Admission, request: Request, asked: Asked) -> Response:
    """The answer of IAM or STS, their errors included. Raises ``Unavailable`` and what reading the body raises."""
    service = asked.signed.service if asked.signed is not None else STS
    if service not in QUERY_SERVICES:
        raise S3Fault("MethodNotAllowed", fields=(("Method", request.method), ("ResourceType", "SERVICE")))
    body = asked.body
    if body is None:
        body = await Body(request, None, for_object=False).read(FORM_BYTES_MAX)
    parameters = dict(request.query)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:  # no UTF-8, or too many fields
        return refuse(service, S3Fault("InvalidRequest", "The form cannot be read."), request.request_id)
    parameters.update(pairs)
    facts = admission.facts(request, asked.signed)
    return await serve(service, asked.principal, parameters, facts, services.realm, request.request_id)


def refusal(request: Request, fault: S3Fault) -> Response | None:
    """An error of the door in the form of IAM or STS, when the request was one of theirs."""
    service = signed_service(request)
    if not service and is_query_request(request) and "authorization" not in request.headers:
        service = STS
    return refuse(service, fault, request.request_id) if service else None
