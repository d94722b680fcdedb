"""Celery's consumer, which refuses malformed messages instead of ending. Named by the setting `worker_consumer`."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any, Final

import celery.worker.consumer
from kombu.message import Message
from redis.exceptions import DataError

from app.shared import logs
from worker import messages, metrics

ERRORS: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError, DataError)
"""What reading a malformed message raises in kombu and Celery: it lacks a part, or a part has another type."""

_DELIVERY: Final = frozenset({("kombu/utils/json.py", "loads"), ("kombu/transport/virtual/base.py", "_deliver")})
"""Where kombu reads a message that it has taken from a queue."""

log = logs.get_logger(__name__)


class UnreadableMessageError(ConnectionError):
    """The transport could not read a message that it had taken. Celery recovers from it as from a lost connection."""


class Consumer(celery.worker.consumer.Consumer):
    """Checks each message before Celery uses it; refused ones are removed from the broker, logged and counted."""

    loop: Callable[..., None]
    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loop = _recovering(self.loop)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def receive(message: Message) -> None:
            try:
                messages.check(message, self.app.tasks)
                handle(message)
            except messages.MessageError as error:
                self._refuse(message, error.reason)
            except ERRORS as error:
                # Not seen yet: without this the message would end every worker that is given it.
                self._refuse(message, "unexpected", error)

        return receive

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """kombu calls this for what it could not decompress. Celery's own version logs the body."""
        self._refuse(message, "compression" if message.errors else "body", exc)

    def _refuse(self, message: Message, reason: str, error: BaseException | None = None) -> None:
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)
        _report(
            reason,
            error,
            task=_text(message.headers.get("task")),
            task_id=_text(message.headers.get("id")),
            queue=_text(message.delivery_info.get("routing_key")),
            bytes=len(message.body or b""),
        )


def _recovering(loop: Callable[..., None]) -> Callable[..., None]:
    """The event loop, which raises UnreadableMessageError for a message that kombu cannot read.

    kombu raises then before any hook of its or Celery's, with the message already taken out of the queue.
    """

    @functools.wraps(loop)
    def run(*args: Any) -> None:
        try:
            loop(*args)
        except ERRORS as error:
            if not _raised_by_a_message(error):
                raise
            _report("unreadable", error)
            raise UnreadableMessageError("a message could not be read") from None

    return run


def _raised_by_a_message(error: BaseException) -> bool:
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(code.co_filename.endswith(file) and code.co_name == name for code in frames for file, name in _DELIVERY)


def _report(reason: str, error: BaseException | None, **facts: Any) -> None:
    """One line and one count. The error's text may quote the message, so only its type is named."""
    metrics.MESSAGES_REFUSED.labels(reason).inc()
    log.error("message_refused", reason=reason, error=type(error).__name__ if error else None, **facts)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
