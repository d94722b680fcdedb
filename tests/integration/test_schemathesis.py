"""The running service against its own description: whatever is sent, the answer is one that the document names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from app.factory import create_app
from app.resources import Resources
from config import ROOT, Settings

EXAMPLES = 30
TOKEN = "a token of tests, long enough to be taken"
DOCUMENT: Any = json.loads((ROOT / "docs" / "openapi.json").read_text())
OPERATIONS = [
    (method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item if method != "parameters"
]
SAYABLE = [
    (method, path)
    for method, path in OPERATIONS
    if {"parameters", "requestBody"} & {*DOCUMENT["paths"][path], *DOCUMENT["paths"][path][method.lower()]}
]
"""Operations with parameters or a body, which can be invalid."""

MORE_THAN_A_SCHEMA_TELLS = {
    ("GET", "/api/v1/signals"): "which cursors have been given out",
    ("POST", "/api/v1/signals"): "how many digits a price may have, how far ahead a time",
    ("POST", "/api/v1/signals/batch"): "the same",
    ("POST", "/api/v1/hooks/{token}"): "the same",
    (
        "GET",
        "/api/v1/bars/{instrument}/{timeframe}",
    ): "in which years bars start, and that 2.0 is not whole",
    ("PUT", "/api/v1/bars/{instrument}/{timeframe}"): "columns of one length, a high that is the highest",
    ("POST", "/api/v1/charts"): "what overlays and panels ask of the data",
}
"""Where a request that fits its schema may still be refused."""

PARTLY_TAKEN = {("POST", "/api/v1/signals/batch")}
"""Where one wrong item does not refuse the others."""

TIMES = st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1)).map(lambda time: f"{time.isoformat()}Z")  # noqa: DTZ001
schemathesis.openapi.format("date-time", TIMES)


@pytest.fixture
def api(sqlite_url: str, redis_url: str, tmp_path: Path) -> Iterator[Any]:
    built = Resources.build(
        Settings(
            database_url=sqlite_url, redis_url=redis_url, media_dir=tmp_path / "media", api_keys=(f"tests:{TOKEN}",)
        )
    )
    schema = schemathesis.openapi.from_wsgi("/openapi.json", create_app(built.settings, built))
    schema.config.generation.update(with_security_parameters=False)
    yield schema
    built.close()


def send_all(api: Any, method: str, path: str, mode: GenerationMode) -> None:
    """Send what the document says, or the opposite, and hold every answer against the document with all checks."""
    excluded = [positive_data_acceptance] if (method, path) in MORE_THAN_A_SCHEMA_TELLS else []
    excluded += [negative_data_rejection] if (method, path) in PARTLY_TAKEN else []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api[path][method].as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, excluded_checks=excluded)

    send()


def named(operations: list[tuple[str, str]]) -> Any:
    return pytest.mark.parametrize(("method", "path"), operations, ids=[" ".join(each) for each in operations])


@named(OPERATIONS)
def test_a_request_that_fits_is_answered_as_the_document_says(api: Any, method: str, path: str) -> None:
    send_all(api, method, path, GenerationMode.POSITIVE)


@named(SAYABLE)
def test_a_request_that_does_not_fit_is_refused_as_the_document_says(api: Any, method: str, path: str) -> None:
    send_all(api, method, path, GenerationMode.NEGATIVE)
