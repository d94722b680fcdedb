"""The Redis fast path of deduplication: often knows a duplicate before the database is asked, and never decides alone.

A key holds `p:<token>` while a signal is on its way into the database and `d:<signal id>` once it is committed. Only
the second tells of a duplicate, and whoever is told looks it up. Whatever Redis forgets, loses or refuses, the database
gives the same answer, only slower.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from redis import Redis
from redis.exceptions import RedisError

from app.shared.circuit_breaker import CircuitBreaker
from app.shared.queue import wake_up_command
from app.shared.redis_client import Command
from app.signals.domain import Identity

CLAIM_MILLISECONDS: Final = 10_000
MARKER_MILLISECONDS: Final = 300_000
PAUSE_SECONDS: Final = 2.0

_MARK: Final = b"d:"

_FEW: Final = 4
"""Up to so many keys, commands cost the server less than a script; beyond, a script costs the client less."""
_TAKE: Final = """
local found = {}
for number, key in ipairs(KEYS) do
    local before = redis.call('SET', key, ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
    if before then
        table.insert(found, number)
        table.insert(found, before)
    end
end
return found
"""
"""Gives the places of keys that were held before, from 1 on, each followed by what holds the key."""
_SET_ALL: Final = """
for number, key in ipairs(KEYS) do
    redis.call('SET', key, ARGV[number + 1], 'PX', ARGV[1])
end
"""
_DELETE_IF_EQUAL: Final = """
for _, key in ipairs(KEYS) do
    if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
end
"""


def keys(identity: Identity) -> tuple[str, ...]:
    """The Redis keys of a signal. Two signals that share one are duplicates for certain."""
    found = []
    if identity.external_key:
        found.append(f"signal:{identity.external_key}")
    if identity.bucket is not None:
        found.append(f"signal:{identity.window_key}:{identity.bucket}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Claim:
    """What the keys said: which now hold the caller's token, which held a marker, which somebody else's token."""

    token: str
    held: tuple[str, ...] = ()
    marked: Mapping[str, bytes] = field(default_factory=dict)
    pending: tuple[str, ...] = ()
    asked: bool = True
    """False when Redis could not be asked."""

    def part(self, wanted: Collection[str]) -> Claim:
        """The same about some of the keys."""
        return Claim(
            self.token,
            held=tuple(key for key in self.held if key in wanted),
            marked={key: value for key, value in self.marked.items() if key in wanted},
            pending=tuple(key for key in self.pending if key in wanted),
            asked=self.asked,
        )


class Claims:
    """Takes, settles and releases claims. After a failure Redis is left alone for two seconds."""

    def __init__(self, redis: Redis, *, window_seconds: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker("claims", PAUSE_SECONDS, monotonic)
        self._marker_milliseconds = window_seconds * 1_000 or MARKER_MILLISECONDS

    def take(self, wanted: Sequence[str]) -> Claim:
        """Claim the keys in one round trip. Never raises: without Redis the claim is empty."""
        token = f"p:{secrets.token_hex(8)}"
        if not wanted:
            return Claim(token)
        answers = self._run(*_take_all(wanted, token))
        if answers is None:
            return Claim(token, asked=False)
        if len(wanted) <= _FEW:
            before = {key: answer for key, answer in zip(wanted, answers, strict=True) if answer is not None}
        else:
            (found,) = answers
            before = {wanted[place - 1]: answer for place, answer in zip(found[::2], found[1::2], strict=True)}
        return Claim(
            token,
            held=tuple(key for key in wanted if key not in before),
            marked={key: answer for key, answer in before.items() if answer.startswith(_MARK)},
            pending=tuple(key for key, answer in before.items() if not answer.startswith(_MARK)),
        )

    def settle(self, claim: Claim, committed: Mapping[str, UUID], *, wake: str = "") -> bool:
        """After commit: mark the keys with their signals, release what else is held, ask to wake a queue.

        Whether the caller is to publish the wake-up: it won the race for it, or nobody can tell.
        """
        commands = _mark_all(committed, self._marker_milliseconds)
        left = tuple(key for key in claim.held if key not in committed)
        if left:
            commands.append(_delete_if_equal(left, claim.token))
        if wake:
            commands.append(wake_up_command(wake))
        answers = self._run(*commands)
        return bool(wake) and (answers is None or bool(answers[-1]))

    def release(self, claim: Claim) -> None:
        """Give back what is held, so that the next try need not wait for it to expire."""
        if claim.held:
            self._run(_delete_if_equal(claim.held, claim.token))

    def forget(self, marked: Mapping[str, bytes]) -> None:
        """Delete markers that proved wrong, unless they have been replaced meanwhile."""
        self._run(*(_delete_if_equal((key,), value) for key, value in marked.items()))

    def _run(self, *commands: Command) -> list[Any] | None:
        """The answers to commands sent at once, or None when Redis is away, refuses, or was so a moment ago."""
        if not self._breaker.allows_call():
            return None
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            # The client makes the reply to SET a truth value, unless told that it is the value before.
            pipeline.execute_command(*command, get="GET" in command)  # type: ignore[no-untyped-call]
        try:
            answers: list[Any] = pipeline.execute()
        except RedisError as error:
            self._breaker.record_failure(error)
            return None
        self._breaker.record_success()
        return answers


def _take_all(wanted: Sequence[str], token: str) -> list[Command]:
    if len(wanted) <= _FEW:
        return [("SET", key, token, "NX", "GET", "PX", CLAIM_MILLISECONDS) for key in wanted]
    return [("EVAL", _TAKE, len(wanted), *wanted, token, CLAIM_MILLISECONDS)]


def _mark_all(committed: Mapping[str, UUID], milliseconds: int) -> list[Command]:
    markers = [_MARK + str(signal_id).encode() for signal_id in committed.values()]
    if len(committed) <= _FEW:
        return [("SET", key, marker, "PX", milliseconds) for key, marker in zip(committed, markers, strict=True)]
    return [("EVAL", _SET_ALL, len(committed), *committed, milliseconds, *markers)]


def _delete_if_equal(names: Sequence[str], value: str | bytes) -> Command:
    return "EVAL", _DELETE_IF_EQUAL, len(names), *names, value
