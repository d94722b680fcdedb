"""Checks broker messages: the worker accepts what `app.shared.queue` and beat send, and refuses everything else.

Celery does not check the parts of a message that it uses before a task starts. A null body or a text as time limit
raises in the worker's main process and ends it, and the next worker receives the same message. So every part is checked
before Celery uses it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, get_type_hints

from celery import Task
from kombu.message import Message

MAX_BODY_BYTES: Final = 65_536
"""A hundred times the size of a usual message."""

_CONTENT_TYPE: Final = "application/json"
_CHARSETS: Final = frozenset({"utf-8", "us-ascii", "ascii"})
_ROW_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TEXT_HEADERS: Final = (
    "lang",
    "shadow",
    "group",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "meth",
)
_EMPTY: Final[tuple[Any, ...]] = (None, [], {}, "")


class MessageError(ValueError):
    """A refused message. `reason` is one of a few names: a label of the metric `broker_messages_refused_total`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check(message: Message, tasks: Mapping[str, Task[..., Any]]) -> None:
    """Raises MessageError unless the message calls one of the tasks with arguments that fit its signature."""
    headers: dict[str, Any] = message.headers
    task = _task(headers, tasks)
    _check_headers(headers)
    _check_body(_body(message), task)


def _task(headers: Mapping[str, Any], tasks: Mapping[str, Task[..., Any]]) -> Task[..., Any]:
    name = headers.get("task")
    if not isinstance(name, str):
        raise MessageError("no_task")
    if name not in tasks:
        raise MessageError("unknown_task")
    return tasks[name]


def _check_headers(headers: Mapping[str, Any]) -> None:
    checks: dict[str, Callable[[Any], bool]] = {
        "id": lambda value: isinstance(value, str) and _ROW_ID.fullmatch(value) is not None,
        "timelimit": _is_time_limit,
        "expires": _is_time,
        # The broker redelivers a message with an ETA beyond the visibility timeout again and again; due times are rows.
        "eta": lambda value: value is None,
        "retries": lambda value: value is None or (type(value) is int and 0 <= value <= 100),  # noqa: PLR2004
        "stamped_headers": lambda value: value in _EMPTY,
    } | dict.fromkeys(_TEXT_HEADERS, lambda value: value is None or isinstance(value, str))
    for name, fits in checks.items():
        if not fits(headers.get(name)):
            raise MessageError(f"header_{name}")


def _is_time_limit(value: Any) -> bool:
    """Null, or a pair of hard and soft limit, each null or positive seconds."""
    if value is None:
        return True
    return (
        isinstance(value, list)
        and len(value) == 2  # noqa: PLR2004
        and all(part is None or (type(part) in (int, float) and 0 < part < float("inf")) for part in value)
    )


def _is_time(value: Any) -> bool:
    """Null, or an ISO 8601 time with an offset."""
    if value is None:
        return True
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _body(message: Message) -> Any:
    """Parse the body. Checks its type and size first."""
    if message.content_type != _CONTENT_TYPE:
        raise MessageError("content_type")
    if not isinstance(message.content_encoding, str) or message.content_encoding.lower() not in _CHARSETS:
        raise MessageError("content_encoding")
    if not isinstance(message.body, bytes):
        raise MessageError("body")
    if len(message.body) > MAX_BODY_BYTES:
        raise MessageError("too_large")
    try:
        return json.loads(message.body)
    except (ValueError, RecursionError):
        raise MessageError("body") from None


def _check_body(body: Any, task: Task[..., Any]) -> None:
    """The body is [args, kwargs, embed]: https://docs.celeryq.dev/en/stable/internals/protocol.html"""
    if not isinstance(body, list) or len(body) != 3:  # noqa: PLR2004
        raise MessageError("body")
    args, kwargs, embed = body
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise MessageError("arguments")
    if embed is not None and not isinstance(embed, dict):
        raise MessageError("body")
    if any(value not in _EMPTY for value in (embed or {}).values()):
        # Only `worker.subscriptions` decides which tasks follow: a message must not bring callbacks or chains.
        raise MessageError("callbacks")
    _check_arguments(task, args, kwargs)


def _check_arguments(task: Task[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    try:
        bound = inspect.signature(task.run).bind(*args, **kwargs)
    except TypeError:
        raise MessageError("arguments") from None
    types = get_type_hints(task.run)
    for name, value in bound.arguments.items():
        if not isinstance(value, types[name]):
            raise MessageError("arguments")
        if isinstance(value, str) and not _ROW_ID.fullmatch(value):
            raise MessageError("arguments")
