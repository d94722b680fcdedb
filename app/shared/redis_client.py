"""Redis connections that fail fast: a request would rather do without Redis than wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ResponseError
from redis.retry import Retry

Command = tuple[str | bytes | int, ...]


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client with one try for each command.

    A retried SET NX whose first try did arrive would take its own key for somebody else's.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )


class Lines:
    """Connections for whoever asks at every request, each for one trip at a time. Safe for many threads.

    The client's pool looks at a connection each time it gives it out and keeps statistics of it, which costs as much as
    a whole trip. Here a connection that broke meanwhile is only noticed when it is used. They end with the client.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._idle: list[Connection] = []

    def ask(self, *commands: Command) -> list[Any]:
        """The answers to all commands, sent at once. Raises RedisError: a refusal, or what broke the connection."""
        connection = self._take()
        try:
            connection.send_packed_command([_packed(commands)])  # type: ignore[no-untyped-call]
            answers = [_answer(connection) for _ in commands]
        except BaseException:
            self._give_up(connection)
            raise
        self._idle.append(connection)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._redis.connection_pool.get_connection()

    def _give_up(self, broken: Connection) -> None:
        """Whatever broke one connection has likely broken all: each would cost a failure of its own."""
        idle, self._idle = self._idle, []
        for connection in (broken, *idle):
            connection.disconnect()  # type: ignore[no-untyped-call]
            self._redis.connection_pool.release(connection)


def _packed(commands: Iterable[Command]) -> bytes:
    """In Redis' protocol: counts, lengths and words. The client's own way takes three times as long."""
    pieces: list[bytes] = []
    for command in commands:
        pieces.append(b"*%d\r\n" % len(command))
        for word in command:
            data = word if isinstance(word, bytes) else str(word).encode()
            pieces.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(pieces)


def _answer(connection: Connection) -> Any:
    """A refusal is an answer too: those behind it are still to be read."""
    try:
        return connection.read_response()
    except ResponseError as refusal:
        return refusal
