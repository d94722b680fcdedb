"""The Flask application without what this service has no use for and would pay for with every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.sessions import SessionInterface


class NoSessions(SessionInterface):
    """No request has a session; `flask.session` says so when it is used."""

    def open_session(self, *_: Any) -> None:
        return None

    def is_null_session(self, _: object) -> bool:
        return True

    def save_session(self, *_: Any) -> None:
        """Nothing was opened."""


class Application(Flask):
    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """No view here is a coroutine, so none is looked at whether it is one."""
        return func
