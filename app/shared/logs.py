"""Logs as JSON, one event a line, with the request's id in every line of its work."""

from __future__ import annotations

import json
import logging
import re
import sys
from functools import partial
from typing import Any, Final, TextIO

import orjson
import structlog

MAX_TEXT_LENGTH: Final = 500

_KEYS: Final = re.compile(r"hook_[A-Za-z0-9_-]{16,}")
"""Secret keys in hook addresses. Libraries log whole URLs when they fail."""


class _Writer(structlog.WriteLogger):
    """Writes whole lines; has the name of its logger."""

    def __init__(self, file: TextIO, name: str = "") -> None:
        super().__init__(file)
        self.name = name


def configure(level: str) -> None:
    """Send structlog and the standard library's logging to standard error as JSON lines. May be called again."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _cap,
    ]
    render = structlog.processors.JSONRenderer(serializer=_line)
    # Not through the standard library: its records cost several times the line.
    structlog.configure(
        processors=[*shared, render],
        logger_factory=partial(_Writer, sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _hide_keys],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger


def _line(event: structlog.typing.EventDict, **options: Any) -> str:
    try:
        return orjson.dumps(event, default=options["default"]).decode()
    except TypeError:
        # orjson refuses lone surrogates and integers of more than 64 bits.
        return json.dumps(event, **options)


def _cap(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Cut long texts: what a caller sent must not fill the log. Tracebacks stay whole."""
    for name, value in event.items():
        if isinstance(value, str) and len(value) > MAX_TEXT_LENGTH and name not in ("exception", "stack"):
            event[name] = value[:MAX_TEXT_LENGTH] + "..."
    return event


def _hide_keys(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Hide keys in lines of other libraries. Our own lines never hold one."""
    for name, value in event.items():
        if isinstance(value, str) and "hook_" in value:
            event[name] = _KEYS.sub("hook_...", value)
    return event
