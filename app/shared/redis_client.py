"""Redis connections that fail fast: a request would rather do without Redis than wait for it."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ResponseError
from redis.retry import Retry

Command = tuple[str | bytes | int, ...]


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client with one try for each command.

    A SET NX whose first try succeeded and lost its reply would find its own key at the second try.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )


class Connections:
    """Connections that stay checked out of the client's pool, for commands of every request. Safe for many threads.

    The pool checks a connection whenever it hands it out, which costs a twentieth of a stored signal. Here a broken
    connection is noticed by the command that fails.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._idle: list[Connection] = []

    def pipeline(self, *commands: Command) -> list[Any]:
        """The replies to all commands, sent together. Raises RedisError."""
        connection = self._take()
        try:
            connection.send_packed_command(connection.pack_commands(commands))  # type: ignore[no-untyped-call]
            replies = [_reply(connection) for _ in commands]
        except BaseException:
            self._discard(connection)
            raise
        self._idle.append(connection)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._redis.connection_pool.get_connection()

    def _discard(self, broken: Connection) -> None:
        """Whatever broke one connection has likely broken all of them: each would fail a command of its own."""
        idle, self._idle = self._idle, []
        for connection in (broken, *idle):
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._redis.connection_pool.release(connection)


def _reply(connection: Connection) -> Any:
    """A refusal is a reply too: the replies behind it must still be read."""
    try:
        return connection.read_response()
    except ResponseError as refusal:
        return refusal
