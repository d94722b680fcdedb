"""Logs: each line is one JSON object, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from app.shared import logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What a configured process writes to standard error, as objects."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("INFO")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_an_event_is_one_line_with_its_values_and_time(lines: Any) -> None:
    structlog.get_logger("a").info("something_happened", count=3)
    (line,) = lines()
    assert line["event"] == "something_happened"
    assert line["count"] == 3
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_the_standard_librarys_logging_is_written_the_same_way(lines: Any) -> None:
    logging.getLogger("library").warning("odd %s", "thing")
    (line,) = lines()
    assert line["event"] == "odd thing"
    assert line["logger"] == "library"


def test_what_is_bound_to_the_request_is_in_every_line(lines: Any) -> None:
    structlog.contextvars.bind_contextvars(request_id="abc")
    structlog.get_logger("a").info("one")
    logging.getLogger("b").info("two")
    assert [line["request_id"] for line in lines()] == ["abc", "abc"]


def test_a_callers_line_breaks_stay_inside_the_line(lines: Any) -> None:
    structlog.get_logger("a").info("seen", text='x"\n{"event":"forged"}\r\n')
    (line,) = lines()
    assert line["event"] == "seen"


def test_a_long_text_is_cut(lines: Any) -> None:
    structlog.get_logger("a").info("seen", text="x" * 10_000)
    assert len(lines()[0]["text"]) <= logs.MAX_TEXT_LENGTH + 3


def test_a_traceback_stays_whole_in_its_line(lines: Any) -> None:
    try:
        open("x" * 1000)  # noqa: PTH123, SIM115 - the test needs only its error
    except OSError:
        structlog.get_logger("a").exception("broke")
    (line,) = lines()
    assert "Traceback" in line["exception"]
    assert "x" * 1000 in line["exception"]


def test_what_is_below_the_level_is_not_written(lines: Any) -> None:
    structlog.get_logger("a").debug("hidden")
    logging.getLogger("b").debug("hidden")
    assert lines() == []


def test_configuring_twice_writes_once(lines: Any) -> None:
    logs.configure("INFO")
    assert len(logging.getLogger().handlers) == 1


def test_a_servers_log_line_about_a_request_contains_no_hook_token(lines: Any) -> None:
    token = "hook_" + "aB3-_" * 8
    error = ValueError(f"POST /api/v1/hooks/{token} failed")
    message = "Error handling request %s %s"
    logging.getLogger("_granian").error(message, "POST", f"/api/v1/hooks/{token}", exc_info=error)
    (line,) = lines()
    assert line["event"] == "Error handling request POST /api/v1/hooks/hook_..."
    assert token not in json.dumps(line)
