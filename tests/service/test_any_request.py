"""Schemathesis makes requests of the API's own description, valid and not: none ends with an error of the server."""

from contextlib import suppress
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from strongreid.gallery.audit import AuditLog
from strongreid.service.app import create_app
from tests.service.conftest import ANNA, USERS, Room, token


def test_no_request_ends_with_an_error_of_the_server(room: Room, tmp_path: Path) -> None:
    app = create_app(room.served, USERS, AuditLog(tmp_path / "audit.jsonl"))
    headers = {**token(ANNA), "Host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, headers=headers)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    statuses = dict[str, set[int]]()

    def ask(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(headers=headers, checks=[not_a_server_error])
        statuses.setdefault(case.operation.label, set()).add(answer.status_code)

    some = settings(max_examples=7, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    for operation in operations:
        for mode in GenerationMode:
            with suppress(Unsatisfiable):  # an address without parameters has no wrong ones
                some(given(case=operation.as_strategy(generation_mode=mode))(ask))()
    assert len(operations) == 8
    assert statuses["GET /about"] >= {200}
    assert {422, 404} & statuses["POST /confirm"]
    assert 422 in statuses["POST /search"]
