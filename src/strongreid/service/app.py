"""The service as one application: addresses, refusals, and the gate before all of it.

FastAPI's own pages of documentation load scripts from elsewhere, so there are none; /openapi.json describes the API.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from strongreid.errors import InputError
from strongreid.gallery.audit import AuditLog
from strongreid.service.answers import JPEG, PNG, Answers
from strongreid.service.gate import Gate, Limits
from strongreid.service.metrics import Meter
from strongreid.service.page_files import PAGE, page_answer
from strongreid.service.refusals import (
    Problem,
    invalid_answer,
    refusal_answer,
    refused_for_now,
    refused_input,
)
from strongreid.service.searching import Served
from strongreid.service.uploads import BODY
from strongreid.service.users import Users

PUBLIC: Final = frozenset({"/", "/healthz", "/openapi.json", *(f"/page/{name}" for name in PAGE)})
"""What needs no token: nothing of the gallery is in it."""


def create_app(
    served: Served,
    users: Users,
    audit: AuditLog,
    *,
    names: Collection[str] = (),
    limits: Limits | None = None,
    two_person: bool = False,
) -> FastAPI:
    """Return the service, to be run by any ASGI server; it closes `audit` when it is shut down.

    Args:
        served: the model and the gallery.
        users: who may use it.
        audit: where every search and confirmation is written.
        names: host names by which it may be called, beside localhost and addresses in numbers.
        limits: what one request may take, and how many there may be at once.
        two_person: whether a match counts only after two people have confirmed it.
    """
    limits, meter = limits or Limits(), Meter()
    answers = Answers(served, audit, limits, 2 if two_person else 1, meter)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        yield
        answers.close()

    app = FastAPI(
        title="strongreid",
        description="Search a gallery of people with a photograph. Send `Authorization: Bearer TOKEN`.",
        docs_url=None,
        redoc_url=None,
        lifespan=running,
        dependencies=[Depends(HTTPBearer(auto_error=False))],  # for the description: the gate looks at tokens
    )
    _add_addresses(app, answers)
    _add_refusals(app)
    app.add_middleware(Gate, users=users, names=names, public=PUBLIC, limits=limits, meter=meter)
    return app


def _add_addresses(app: FastAPI, answers: Answers) -> None:
    """Lead each address to what answers it."""
    wrong: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem} for status in (400, 401, 404, 408, 413, 415, 421, 422, 429, 503)
    }
    picture: dict[int | str, dict[str, Any]] = {**wrong, 200: {"content": {JPEG: {}, PNG: {}}}}
    text: dict[int | str, dict[str, Any]] = {**wrong, 200: {"content": {"text/plain": {}}}}
    app.add_api_route("/search", answers.search, methods=["POST"], responses=wrong, openapi_extra=BODY)
    app.add_api_route("/confirm", answers.confirm, methods=["POST"], responses=wrong)
    app.add_api_route("/about", answers.about, responses=wrong)
    app.add_api_route("/waiting", answers.waiting, responses=wrong)
    app.add_api_route("/thumbnail/{key}", answers.thumbnail, responses=picture, response_class=Response)
    app.add_api_route("/query/{search}", answers.query, responses=picture, response_class=Response)
    app.add_api_route("/healthz", answers.healthz)
    app.add_api_route("/metrics", answers.metrics, responses=text, response_class=Response)
    app.add_api_route("/", _index, include_in_schema=False)
    app.add_api_route("/page/{name}", _page, include_in_schema=False)


async def _index() -> Response:
    return page_answer()


async def _page(name: Annotated[str, Path(max_length=100)]) -> Response:
    if name not in PAGE:
        raise HTTPException(404)
    return page_answer(name)


def _add_refusals(app: FastAPI) -> None:
    """Answer what is refused, wherever, in one form."""

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> JSONResponse:
        return refusal_answer(error)

    @app.exception_handler(RequestValidationError)
    async def refuse_parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid_answer(error)

    @app.exception_handler(InputError)
    async def refuse_input(request: Request, error: InputError) -> JSONResponse:
        return refusal_answer(refused_input(error))

    @app.exception_handler(OSError)
    async def refuse_for_now(request: Request, error: OSError) -> JSONResponse:
        return refusal_answer(refused_for_now(error))

    @app.exception_handler(ClientDisconnect)
    async def say_nothing(request: Request, error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it
