"""The Redis fast path of deduplication: it often finds a duplicate before the database does, and never decides alone.

A key holds the claim `p:<token>` while a signal is being stored, and the marker `d:<signal id>` once it is committed.
Only a marker may lead to a refusal, and only after the existing signal was read. Whatever Redis forgets, loses or
refuses, the database gives the same answer, only slower.
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
from app.shared.redis_client import Command, Connections
from app.signals.domain import Identity

CLAIM_MILLISECONDS: Final = 10_000
MARKER_MILLISECONDS: Final = 300_000
PAUSE_SECONDS: Final = 2.0

_MARKER_PREFIX: Final = b"d:"

MAX_SINGLE_COMMANDS: Final = 4
"""Up to so many keys, a command for each costs the server less than a script. For more, a script costs the
client less.
"""
_TAKE: Final = """
local taken = {}
for number, key in ipairs(KEYS) do
    local before = redis.call('SET', key, ARGV[1], 'NX', 'GET', 'PX', ARGV[2])
    if before then
        table.insert(taken, number)
        table.insert(taken, before)
    end
end
return taken
"""
"""Returns the places of the keys that had a value before, counted from 1, each followed by that value."""
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


def claim_keys(identity: Identity) -> tuple[str, ...]:
    """The Redis keys of a signal. Two signals that share a key are duplicates for certain."""
    keys = []
    if identity.external_key:
        keys.append(f"signal:{identity.external_key}")
    if identity.bucket is not None:
        keys.append(f"signal:{identity.window_key}:{identity.bucket}")
    return tuple(keys)


@dataclass(frozen=True, slots=True)
class Claim:
    """What Redis answered for some keys: `owned` keys now hold the caller's token, `pending` ones another token."""

    token: str
    owned: tuple[str, ...] = ()
    marked: Mapping[str, bytes] = field(default_factory=dict)
    """Keys that hold a marker, with the marker."""
    pending: tuple[str, ...] = ()
    available: bool = True
    """False when Redis did not answer."""

    def part(self, keys: Collection[str]) -> Claim:
        """The same for some of the keys."""
        return Claim(
            self.token,
            owned=tuple(key for key in self.owned if key in keys),
            marked={key: marker for key, marker in self.marked.items() if key in keys},
            pending=tuple(key for key in self.pending if key in keys),
            available=self.available,
        )


class Claims:
    """Takes, settles and releases claims. After a failure Redis is left alone for two seconds."""

    def __init__(self, redis: Redis, *, window_seconds: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connections = Connections(redis)
        self._breaker = CircuitBreaker("claims", PAUSE_SECONDS, monotonic)
        self._marker_milliseconds = window_seconds * 1_000 or MARKER_MILLISECONDS

    def take(self, keys: Sequence[str]) -> Claim:
        """Claim the keys in one round trip. Never raises: without Redis the claim is empty."""
        token = f"p:{secrets.token_hex(8)}"
        if not keys:
            return Claim(token)
        replies = self._run(*_take_all(keys, token))
        if replies is None:
            return Claim(token, available=False)
        if len(keys) <= MAX_SINGLE_COMMANDS:
            before = {key: value for key, value in zip(keys, replies, strict=True) if value is not None}
        else:
            (pairs,) = replies
            before = {keys[place - 1]: value for place, value in zip(pairs[::2], pairs[1::2], strict=True)}
        return Claim(
            token,
            owned=tuple(key for key in keys if key not in before),
            marked={key: value for key, value in before.items() if value.startswith(_MARKER_PREFIX)},
            pending=tuple(key for key, value in before.items() if not value.startswith(_MARKER_PREFIX)),
        )

    def settle(self, claim: Claim, committed: Mapping[str, UUID], *, wake: str = "") -> bool:
        """After commit: mark the keys with their signals, release the other owned keys, ask to wake a queue.

        Returns whether the caller must publish the wake-up: nobody else does, or Redis did not answer.
        """
        commands = _mark_all(committed, self._marker_milliseconds)
        unmarked = tuple(key for key in claim.owned if key not in committed)
        if unmarked:
            commands.append(_delete_if_equal(unmarked, claim.token))
        if wake:
            commands.append(wake_up_command(wake))
        if not commands:
            return False
        replies = self._run(*commands)
        return bool(wake) and (replies is None or bool(replies[-1]))

    def release(self, claim: Claim) -> None:
        """Delete the claim's own keys, so that the next try need not wait until they expire."""
        if claim.owned:
            self._run(_delete_if_equal(claim.owned, claim.token))

    def forget(self, marked: Mapping[str, bytes]) -> None:
        """Delete stale markers, unless they have been replaced meanwhile."""
        self._run(*(_delete_if_equal((key,), value) for key, value in marked.items()))

    def _run(self, *commands: Command) -> list[Any] | None:
        """The replies to commands sent together. None when Redis does not answer or refuses, or the circuit is open."""
        if not self._breaker.allows_call():
            return None
        try:
            replies = self._connections.pipeline(*commands)
        except RedisError as error:
            self._breaker.record_failure(error)
            return None
        self._breaker.record_success()
        return replies


def _take_all(keys: Sequence[str], token: str) -> list[Command]:
    if len(keys) <= MAX_SINGLE_COMMANDS:
        return [("SET", key, token, "NX", "GET", "PX", CLAIM_MILLISECONDS) for key in keys]
    return [("EVAL", _TAKE, len(keys), *keys, token, CLAIM_MILLISECONDS)]


def _mark_all(committed: Mapping[str, UUID], milliseconds: int) -> list[Command]:
    markers = [_MARKER_PREFIX + str(signal_id).encode() for signal_id in committed.values()]
    if len(committed) <= MAX_SINGLE_COMMANDS:
        return [("SET", key, marker, "PX", milliseconds) for key, marker in zip(committed, markers, strict=True)]
    return [("EVAL", _SET_ALL, len(committed), *committed, milliseconds, *markers)]


def _delete_if_equal(keys: Sequence[str], value: str | bytes) -> Command:
    return "EVAL", _DELETE_IF_EQUAL, len(keys), *keys, value
