"""What vendors' words stand for, as HTTP statuses.

A word is compared without case, blanks and punctuation, so ``RESOURCE_EXHAUSTED`` and
``ResourceExhausted`` are one, and without the namespace before a ``#``. Where the response's own
status says little (400, 403, 404, 409, 422, 500, 502, 504, or none, as inside a stream), a word
that says more counts instead: a gateway reports limits under 400, and a missing model under 500.
Words for 400 and 500 themselves say little, and count only where there is no status. A status from
400 to 499 that the body names counts before a 500 or 502 of the gateway in front of it.

Sources: the error codes of the Databricks SDKs and of google.rpc, the error types of OpenAI and
Anthropic, exceptions of AWS, and recorded errors of other vendors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["WORDS", "judged_status", "key"]


def key(word: str) -> str:
    """A word as it is compared."""
    return re.sub(r"[^a-z0-9]+", "", word.rpartition("#")[2].lower())


_WORDS_OF_STATUS: Final[dict[int, str]] = {
    # Say little: they count only where there is no status.
    400: """BAD_REQUEST BadRequestError INVALID_ARGUMENT INVALID_PARAMETER_VALUE MALFORMED_REQUEST
        INVALID_STATE FAILED_PRECONDITION OUT_OF_RANGE invalid_request invalid_request_error
        InvalidRequest invalid_value invalid_type invalid_parameter unsupported_parameter
        unsupported_value unknown_parameter missing_required_parameter context_length_exceeded
        string_above_max_length ValidationException validation_error invalid_prompt
        invalid_image_url invalid_image unprocessable_entity UnprocessableEntityError""",
    500: """INTERNAL INTERNAL_ERROR INTERNAL_SERVER_ERROR InternalServerError internal_server_exception
        InternalServerException server_error api_error UNKNOWN DATA_LOSS ModelErrorException
        ModelStreamErrorException provider_error upstream_error""",
    # Say more than a 400 or a 500 around them.
    401: """UNAUTHENTICATED UNAUTHORIZED authentication_error AuthenticationError invalid_api_key
        API_KEY_INVALID CREDENTIALS_MISSING ACCESS_TOKEN_EXPIRED ACCESS_TOKEN_TYPE_UNSUPPORTED
        invalid_token token_expired invalid_access_token ExpiredTokenException
        ExpiredToken UnrecognizedClientException InvalidClientTokenId InvalidSignatureException
        IncompleteSignatureException MissingAuthenticationTokenException""",
    402: "billing_error payment_required insufficient_credits insufficient_funds budget_exceeded",
    403: """PERMISSION_DENIED permission_error PermissionDeniedError forbidden ACCESS_DENIED
        AccessDeniedException SERVICE_DISABLED unsupported_country_region_territory""",
    404: """NOT_FOUND RESOURCE_DOES_NOT_EXIST ENDPOINT_NOT_FOUND FEATURE_DISABLED not_found_error
        NotFoundError ResourceNotFoundException model_not_found ModelNotFound model_not_exist
        model_decommissioned DeploymentNotFound""",
    408: "request_timeout",
    409: "ABORTED ALREADY_EXISTS RESOURCE_ALREADY_EXISTS RESOURCE_CONFLICT conflict_error",
    413: "request_too_large payload_too_large",
    429: """REQUEST_LIMIT_EXCEEDED RESOURCE_EXHAUSTED TOO_MANY_REQUESTS RATE_LIMIT_EXCEEDED
        rate_limit_error RateLimitError rate_limited rate_limit QUOTA_EXCEEDED insufficient_quota
        ThrottlingException ServiceQuotaExceededException limit_burst_rate
        billing_hard_limit_reached""",
    499: "CANCELLED CANCELED client_closed_request",
    501: "UNIMPLEMENTED NOT_IMPLEMENTED",
    502: "BAD_GATEWAY",
    503: """UNAVAILABLE TEMPORARILY_UNAVAILABLE SERVICE_UNAVAILABLE ServiceUnavailableError
        ServiceUnavailableException service_unavailable_error slow_down ModelNotReadyException""",
    504: "DEADLINE_EXCEEDED GATEWAY_TIMEOUT timeout_error ModelTimeoutException",
    529: "overloaded_error OVERLOADED engine_overloaded engine_overloaded_error server_overloaded",
}
WORDS: Final = {key(w): status for status, words in _WORDS_OF_STATUS.items() for w in words.split()}
"""The HTTP status that a vendor's word stands for, by `key`."""

_SAY_LITTLE: Final = frozenset((400, 500))
_YIELD: Final = frozenset((None, 400, 403, 404, 409, 422, 500, 502, 504))
_IN_FRONT: Final = frozenset((500, 502))


def judged_status(status: int | None, named: int | None, words: Iterable[str]) -> int | None:
    """The status to judge by: the response's, what the body names, or what its words stand for.

    ``words`` are the vendor's, the most specific first.
    """
    base = status or named
    if base in _IN_FRONT and named is not None and 400 <= named < 500:  # noqa: PLR2004  the client errors
        base = named
    implied = [WORDS[word] for word in map(key, words) if word in WORDS]
    precise = next((stands_for for stands_for in implied if stands_for not in _SAY_LITTLE), None)
    if precise is not None and base in _YIELD:
        return precise
    return next(iter(implied), None) if base is None else base
