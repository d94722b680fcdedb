"""A Celery consumer that refuses malformed messages and goes on. Celery loads it by the setting `worker_consumer`."""

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

DECODE_ERRORS: Final = (ValueError, TypeError, AttributeError, LookupError, RecursionError, DataError)
"""Raised by kombu and Celery when a part of a message is missing or has another type."""

_DECODE_FRAMES: Final = frozenset({("kombu/utils/json.py", "loads"), ("kombu/transport/virtual/base.py", "_deliver")})
"""Where kombu decodes a message that it has removed from a queue: end of the file name, and function."""

log = logs.get_logger(__name__)


class UnreadableMessageError(ConnectionError):
    """kombu could not decode a message that it had removed from a queue. Celery recovers as from a lost connection."""


class Consumer(celery.worker.consumer.Consumer):
    """Checks each message before Celery uses it. Refused messages are removed from the broker, logged and counted."""

    loop: Callable[..., None]
    connection_errors: tuple[type[BaseException], ...]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.loop = _translate_decode_errors(self.loop)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Message], None]:
        handle = super().create_task_handler(*args, **kwargs)

        def receive(message: Message) -> None:
            try:
                messages.check(message, self.app.tasks)
                handle(message)
            except messages.MessageError as error:
                self._refuse(message, error.reason)
            except DECODE_ERRORS as error:
                # A form that `messages.check` does not know: it would end every worker that receives it.
                self._refuse(message, "unexpected", error)

        return receive

    def on_decode_error(self, message: Message, exc: Exception) -> None:
        """kombu calls this when it cannot decompress a message. Celery's own version would log the body."""
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


def _translate_decode_errors(loop: Callable[..., None]) -> Callable[..., None]:
    """Wrap the event loop so that a message which kombu cannot decode raises UnreadableMessageError.

    kombu raises such an error before it calls any hook, when the message is already removed from the queue.
    """

    @functools.wraps(loop)
    def run(*args: Any) -> None:
        try:
            loop(*args)
        except DECODE_ERRORS as error:
            if not _raised_while_decoding(error):
                raise
            _report("unreadable", error)
            raise UnreadableMessageError("a message could not be read") from None

    return run


def _raised_while_decoding(error: BaseException) -> bool:
    frames = (frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(
        code.co_filename.endswith(file) and code.co_name == name for code in frames for file, name in _DECODE_FRAMES
    )


def _report(reason: str, error: BaseException | None, **fields: Any) -> None:
    """Count and log a refused message. Logs the error's type only: its text may quote the message."""
    metrics.MESSAGES_REFUSED.labels(reason).inc()
    log.error("message_refused", reason=reason, error=type(error).__name__ if error else None, **fields)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
