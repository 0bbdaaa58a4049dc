"""What the service refuses: a status, and JSON that says what came, what is allowed and what to do next."""

from collections.abc import Mapping
from typing import Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from strongreid.errors import InputError
from strongreid.files import why

MOST_SHOWN: Final = 200
"""Characters of what came that are sent back."""


class Problem(BaseModel):
    """A refusal, as JSON."""

    came: str
    allowed: str
    next: str


class Refused(HTTPException):
    """A request that is refused. An HTTPException, because FastAPI lets no other pass where it reads a body.

    Args:
        status: the HTTP status.
        came, allowed, then: sentences; `then` says what to do next.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, came: str, allowed: str, then: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail=came, headers=headers)
        self.problem = Problem(came=came, allowed=allowed, next=then)


def refusal_answer(refused: HTTPException) -> JSONResponse:
    """Return the answer to a request that is refused, by us or by the framework."""
    if isinstance(refused, Refused):
        return JSONResponse(refused.problem.model_dump(), refused.status_code, refused.headers)
    known = {404: "There is nothing at this address.", 405: "This method is not for this address."}
    problem = Problem(
        came=known.get(refused.status_code, str(refused.detail)[:MOST_SHOWN]),
        allowed="The addresses and methods in /openapi.json.",
        next="Correct the request.",
    )
    return JSONResponse(problem.model_dump(), refused.status_code, refused.headers)


def invalid_answer(error: RequestValidationError) -> JSONResponse:
    """Return the answer to parameters that do not fit the API's description."""
    found = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or 'body'}: {one['msg']}" for one in error.errors())
    problem = Problem(
        came=f"Parameters that are not allowed: {found[: 5 * MOST_SHOWN]}.",
        allowed="The parameters in /openapi.json, in their ranges.",
        next="Correct these parameters.",
    )
    return JSONResponse(problem.model_dump(), 422)


def refused_input(error: InputError) -> Refused:
    """Return the refusal of what a part below the service refuses, in that part's words."""
    return Refused(422, str(error), "What the sentences before say.", "Correct the request.")


def refused_for_now(error: OSError) -> Refused:
    """Return the refusal of what cannot be written or read now, such as an audit log on a full disk."""
    return Refused(
        503,
        f"The gallery or the audit log cannot be read or written now: {why(error)}.",
        "Nothing is shown that cannot be logged.",
        "Tell whoever runs the service; then send it again.",
        {"retry-after": "60"},
    )
