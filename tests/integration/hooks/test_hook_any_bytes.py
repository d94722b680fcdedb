"""Any bytes to a hook that is open, and any payload to a schema, end in a 2xx or a problem document."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.hooks.domain import MAPPABLE_FIELDS, SIGNAL_FIELDS
from app.payloads.commands import schemas
from config import ROOT, Settings
from tests.integration.hooks.conftest import BODY, Hooked

SLOWEST_SECONDS = 3
NAMES = st.sampled_from(
    [*MAPPABLE_FIELDS, *sum(SIGNAL_FIELDS.values(), ()), "payload", "interval", "confidence", "a/b~", ""]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
DOCUMENTS = st.builds(
    lambda changes: json.dumps(BODY | {"version": "2"} | changes).encode(), st.dictionaries(NAMES, VALUES, max_size=5)
)
LINES = st.lists(st.tuples(NAMES, st.sampled_from([":", "=", " : "]), st.text(max_size=12)).map("".join), max_size=5)
TEXTS = LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass"))
BODIES = st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode()), DOCUMENTS, TEXTS)
KINDS = st.sampled_from(["application/json", "text/plain", "text/plain; charset=latin-1", "", "text/csv"])


@pytest.fixture
def settings(sqlite_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=sqlite_url, redis_url=redis_url, media_dir=tmp_path / "media")


@pytest.fixture
def service(hooked: Callable[..., Hooked]) -> Hooked:
    built = hooked("--strip-exchange", "--field-map", "stop_loss=sl")
    schema = str(ROOT / "examples" / "payload_schema.json")
    assert built.app.test_cli_runner().invoke(schemas, ["add", "tv", "2", schema]).exit_code == 0
    built.app.testing = False
    return built


@hypothesis_settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(BODIES, KINDS)
def test_any_bytes_to_a_hook_are_stored_or_refused_with_a_problem(service: Hooked, body: bytes, kind: str) -> None:
    began = time.thread_time()
    response = service.send(data=body, content_type=kind)
    assert time.thread_time() - began < SLOWEST_SECONDS
    if response.status_code not in (200, 201):
        assert 400 <= response.status_code < 500, response.data
        assert response.content_type == "application/problem+json"
