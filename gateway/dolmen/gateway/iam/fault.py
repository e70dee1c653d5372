"""Errors of IAM and STS: code, status, default text. https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html

Statuses are those of the service models; ``Type`` in the answer is Sender below 500.
"""

from __future__ import annotations

from dolmen.core.errors import DolmenError

# code: (HTTP status, text)
CODES: dict[str, tuple[int, str]] = {
    "AccessDenied": (403, "Access Denied"),
    "ConcurrentModification": (409, "Multiple requests to change this object were submitted at once. Try again."),
    "DeleteConflict": (409, "Cannot delete entity, it has attached resources."),
    "EntityAlreadyExists": (409, "The entity already exists."),
    "ExpiredToken": (403, "The security token included in the request is expired"),
    "ExpiredTokenException": (400, "The web identity token that was passed is expired or is not valid."),
    "IDPCommunicationError": (400, "The identity provider could not be reached to verify the token."),
    "IDPRejectedClaim": (403, "The identity provider rejected the claim."),
    "IncompleteSignature": (400, "The request signature does not conform to AWS standards."),
    "InternalFailure": (500, "The request processing has failed because of an unknown error, exception or failure."),
    "InvalidAction": (400, "The action or operation requested is invalid."),
    "InvalidAuthorizationMessageException": (400, "Message is not valid"),
    "InvalidClientTokenId": (403, "The security token included in the request is invalid"),
    "InvalidIdentityToken": (400, "The ID Token provided is not a valid JWT."),
    "InvalidInput": (400, "An invalid or out-of-range value was supplied for an input parameter."),
    "InvalidParameterValue": (400, "An invalid or out-of-range value was supplied for the input parameter."),
    "LimitExceeded": (409, "The request would exceed a limit of the account."),
    "MalformedPolicyDocument": (400, "The policy document is malformed."),
    "MalformedQueryString": (400, "The query string contains a syntax error."),
    "MissingAction": (400, "The request is missing an action or a required parameter."),
    "MissingAuthenticationToken": (403, "Request is missing Authentication Token"),
    "NoSuchEntity": (404, "The entity does not exist."),
    "NotImplemented": (501, "This operation is not implemented."),
    "PackedPolicyTooLarge": (400, "The session policies and tags are too large in their packed form."),
    "PolicyNotAttachable": (400, "The policy cannot be attached."),
    "ReportNotPresent": (410, "There is no credential report."),
    "RequestExpired": (400, "Request has expired."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "SignatureDoesNotMatch": (
        403,
        (
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
            "and signing method. Consult the service documentation for details."
        ),
    ),
    "UnmodifiableEntity": (400, "Only the service can change this entity."),
    "ValidationError": (400, "The input fails to satisfy the constraints specified by the service."),
}


class IamFault(DolmenError):
    """A request that is answered with one of the errors above."""

    def __init__(self, code: str, message: str | None = None) -> None:
        status, text = CODES[code]
        self.code = code
        self.status = status
        self.message = text if message is None else message
        super().__init__(f"{code}: {self.message}")


def no_such(kind: str, name: str) -> IamFault:
    """NoSuchEntity in IAM's words: ``The user with name bob cannot be found.``"""
    return IamFault("NoSuchEntity", f"The {kind} with name {name} cannot be found.")


def already_exists(kind: str, name: str) -> IamFault:
    """EntityAlreadyExists in IAM's words."""
    return IamFault("EntityAlreadyExists", f"{kind} with name {name} already exists.")


def limit_exceeded(quota: str, maximum: int) -> IamFault:
    """LimitExceeded in IAM's words; ``quota``: ``UsersPerAccount``."""
    return IamFault("LimitExceeded", f"Cannot exceed quota for {quota}: {maximum}")


def invalid(message: str) -> IamFault:
    """ValidationError with one complaint."""
    return IamFault("ValidationError", message)
