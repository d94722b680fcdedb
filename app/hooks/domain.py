"""Hooks: their secret addresses, who may use them, and the mapping of a sender's fields to those of a signal. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Final

from app.shared.errors import DomainError, ErrorKind, FieldError, NotFound, ValidationFailed, json_pointer

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

SIGNAL_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "instrument": ("instrument", "ticker", "symbol"),
    "side": ("side", "action"),
    "price": ("price", "close"),
    "time": ("time", "timenow"),
    "version": ("version",),
    "external_id": ("external_id",),
}
"""Fields of a signal and the names that are accepted for each; the first name that is present counts.

An order's id is not accepted for external_id: senders put the name of a strategy's entry there, which repeats.
"""

_LEVELS: Final = ("stop_loss", "take_profit")
PAYLOAD_FIELDS: Final = (*_LEVELS, "timeframe", "strategy", "note")
MAPPABLE_FIELDS: Final = (*SIGNAL_FIELDS, *PAYLOAD_FIELDS)

_SIDES: Final = {"buy": "buy", "long": "buy", "sell": "sell", "short": "sell"}
_TIMEFRAMES: Final = {
    "1": "1m",
    "5": "5m",
    "15": "15m",
    "30": "30m",
    "60": "1h",
    "240": "4h",
    "D": "1d",
    "1D": "1d",
    "W": "1w",
    "1W": "1w",
}
"""Timeframes by TradingView's name of the chart interval."""

_TOKEN_BYTES: Final = 32
_TOKEN_PREFIX: Final = "hook_"  # noqa: S105 - makes a leaked address recognizable
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")
_SEPARATOR: Final = re.compile("[:=]")


class UnknownHook(NotFound):
    """The one error for an unknown address, a revoked one, and a sender that is not allowed to use it."""

    def __init__(self) -> None:
        super().__init__("there is no such hook")


class MalformedText(DomainError):
    kind, slug, title = ErrorKind.MALFORMED, "malformed-text", "The body is not a list of fields"


@dataclass(frozen=True, slots=True)
class FieldMap:
    """How a hook reads a sender's fields. `names` are the sender's names by field; they replace the usual names."""

    names: Mapping[str, str] = field(default_factory=dict)
    strip_exchange: bool = False

    def accepted_names(self, signal_field: str) -> tuple[str, ...]:
        if signal_field in self.names:
            return (self.names[signal_field],)
        return SIGNAL_FIELDS.get(signal_field, (signal_field,))


@dataclass(frozen=True, slots=True)
class MappedSignal:
    """A signal's document, and the source of each value: pointers into the sender's document by pointers into ours."""

    document: dict[str, Any]
    sources: Mapping[str, str]
    field_map: FieldMap

    def at_source(self, error: FieldError) -> FieldError:
        """The error with a pointer into the sender's document. For a missing field it lists the accepted names."""
        for pointer, source in self.sources.items():
            if error.pointer == pointer or error.pointer.startswith(f"{pointer}/"):
                return FieldError(source + error.pointer.removeprefix(pointer), error.message)
        name = error.pointer.removeprefix("/payload").removeprefix("/")
        fields = PAYLOAD_FIELDS if error.pointer.startswith("/payload/") else SIGNAL_FIELDS
        if name not in fields:
            return error
        accepted = self.field_map.accepted_names(name)
        return FieldError(json_pointer(accepted[0]), f"{error.message} Accepted names: {', '.join(accepted)}.")


def new_token() -> str:
    """A token of 256 random bits that can stand in a URL."""
    return _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def digest(token: str) -> str:
    """The stored form of a token. Hooks are looked up by it, so the time of a lookup reveals nothing about tokens."""
    return hashlib.sha256(token.encode()).hexdigest()


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from texts such as 52.89.214.0/24 or an address. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def is_allowed(allowed: Sequence[Network], address: Address | None) -> bool:
    """Whether a sender at this address may use a hook. Without networks anyone may."""
    return not allowed or (address is not None and any(address in network for network in allowed))


def parse_lines(body: bytes) -> dict[str, str]:
    """The fields of a text with `name: value` or `name=value` on each line. Names are lower-cased, spaces become _.

    Raises MalformedText.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedText(f"not UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise MalformedText("it contains a NUL")
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        separator = _SEPARATOR.search(line)
        name = line[: separator.start()].strip() if separator else ""
        if separator is None or not _NAME.fullmatch(name):
            raise MalformedText(f"line {number} is not `name: value`")
        name = name.lower().replace(" ", "_")
        if name in values:
            raise MalformedText(f"the field {name} is given twice")
        values[name] = line[separator.end() :].strip()
    if not values:
        raise MalformedText("it is empty")
    return values


def map_fields(document: Any, field_map: FieldMap) -> MappedSignal:
    """The document of a signal. Fields of the sender that are no field of a signal become part of the payload.

    Values are not validated: the schema of signals does that. Raises ValidationFailed for a document that is no object,
    and for a field that is given both in the payload and beside it.
    """
    if not isinstance(document, Mapping):
        raise ValidationFailed([FieldError("", "Must be an object.")])
    remaining = dict(document)
    signal: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for signal_field in SIGNAL_FIELDS:
        name = next((name for name in field_map.accepted_names(signal_field) if name in remaining), None)
        if name is not None:
            signal[signal_field] = _normalize(signal_field, remaining.pop(name), field_map)
            sources[f"/{signal_field}"] = json_pointer(name)
    payload = remaining.pop("payload", {})
    if isinstance(payload, Mapping):
        payload = _extend_payload(payload, remaining, field_map, sources)
    return MappedSignal({**signal, "payload": payload}, sources, field_map)


def _extend_payload(
    payload: Mapping[str, Any], remaining: Mapping[str, Any], field_map: FieldMap, sources: dict[str, str]
) -> dict[str, Any]:
    """The payload with the remaining fields of the sender. Adds their sources to `sources`."""
    extended = dict(payload)
    fields_by_name = {field_map.accepted_names(payload_field)[0]: payload_field for payload_field in PAYLOAD_FIELDS}
    for name, value in remaining.items():
        key = fields_by_name.get(name, name)
        if key in extended:
            raise ValidationFailed([FieldError(json_pointer(name), "Also given in the payload.")])
        extended[key] = _split_levels(value) if key in _LEVELS else value
        sources[json_pointer("payload", key)] = json_pointer(name)
    timeframe = _TIMEFRAMES.get(str(extended.get("interval", "")))
    if timeframe is not None:
        extended.setdefault("timeframe", timeframe)
    return extended


def _normalize(signal_field: str, value: Any, field_map: FieldMap) -> Any:
    """The value in the form that the schema of signals expects, or unchanged where no other form is known."""
    if signal_field == "side" and isinstance(value, str):
        return _SIDES.get(value.strip().lower(), value)
    if signal_field == "instrument" and isinstance(value, str):
        # TradingView writes a continuous future with an exclamation mark: ES1!
        name = value.strip().removesuffix("!")
        return name.rpartition(":")[2] if field_map.strip_exchange else name
    if signal_field == "time" and isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        return int(value)
    if signal_field in ("version", "external_id") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _split_levels(value: Any) -> Any:
    """A text such as `1.08, 1.09` as a list of prices: the way to give several in a line of text."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) and "," in value else value
