"""What a hook is: a secret address, who may use it, and how the words of its sender become ours. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any, Final

from app.shared.errors import DomainError, ErrorKind, FieldError, NotFound, ValidationFailed

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
"""Our fields and the names they are looked for under, in this order. An order's id is not among those of external_id:
senders use it for the name of a strategy's entry, again and again."""

_LEVELS: Final = ("stop_loss", "take_profit")
PAYLOAD_FIELDS: Final = (*_LEVELS, "timeframe", "strategy", "note")
MAPPABLE: Final = (*SIGNAL_FIELDS, *PAYLOAD_FIELDS)

_SIDES: Final = {"buy": "buy", "long": "buy", "sell": "sell", "short": "sell"}
_INTERVALS: Final = {
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
"""A chart's interval as TradingView writes it, for those that bars are kept in."""

_TOKEN_BYTES: Final = 32
_TOKEN_PREFIX: Final = "hook_"  # noqa: S105 - lets a leaked address be recognised
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_. -]{0,63}")
_SEPARATOR: Final = re.compile("[:=]")


class UnknownHook(NotFound):
    """One answer for an address that never was, that was revoked, and for a sender that may not use it."""

    def __init__(self) -> None:
        super().__init__("there is no such hook")


class MalformedText(DomainError):
    kind, slug, title = ErrorKind.MALFORMED, "malformed-text", "The body is not a list of fields"


@dataclass(frozen=True, slots=True)
class Translation:
    """How a hook reads what is sent: `names` are the sender's words by ours, instead of the usual ones."""

    names: Mapping[str, str] = field(default_factory=dict)
    strip_exchange: bool = False

    def looked_for(self, ours: str) -> tuple[str, ...]:
        if ours in self.names:
            return (self.names[ours],)
        return SIGNAL_FIELDS.get(ours, (ours,))


@dataclass(frozen=True, slots=True)
class Translated:
    """A signal in our words, and where in the sender's document each of its values stands."""

    document: dict[str, Any]
    places: Mapping[str, str]
    translation: Translation

    def at_source(self, error: FieldError) -> FieldError:
        """The same error as the sender knows it: by the name the value was sent under, or those it was looked for."""
        for ours, theirs in self.places.items():
            if error.pointer == ours or error.pointer.startswith(f"{ours}/"):
                return FieldError(theirs + error.pointer.removeprefix(ours), error.message)
        name = error.pointer.removeprefix("/payload").removeprefix("/")
        known = PAYLOAD_FIELDS if error.pointer.startswith("/payload/") else SIGNAL_FIELDS
        if name not in known:
            return error
        looked_for = self.translation.looked_for(name)
        return FieldError(f"/{_escape(looked_for[0])}", f"{error.message} Looked for: {', '.join(looked_for)}.")


def new_token() -> str:
    """256 bits of randomness in a form that an address can hold."""
    return _TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)


def digest(token: str) -> str:
    """What is kept of a token. It is looked up by this, so the time it takes tells nothing about any token."""
    return hashlib.sha256(token.encode()).hexdigest()


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Raises ValueError for what is no address and no network such as 52.89.214.0/24."""
    return tuple(ip_network(text) for text in texts)


def may_use(allowed: Iterable[Network], address: Address | None) -> bool:
    """Whether a sender at this address may use a hook: anyone where no network is named."""
    among = list(allowed)
    return not among or (address is not None and any(address in network for network in among))


def text_fields(body: bytes) -> dict[str, str]:
    """The fields of a text, one `name: value` or `name=value` on each line. Names are lower-cased, spaces become _.

    Raises MalformedText.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedText(f"not UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise MalformedText("a text with a NUL")
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        separator = _SEPARATOR.search(line)
        name = line[: separator.start()].strip() if separator else ""
        if separator is None or not _NAME.fullmatch(name):
            raise MalformedText(f"line {number} is not `name: value`")
        name = name.lower().replace(" ", "_")
        if name in found:
            raise MalformedText(f"the field {name} stands twice")
        found[name] = line[separator.end() :].strip()
    if not found:
        raise MalformedText("it is empty")
    return found


def translate(told: Any, translation: Translation) -> Translated:
    """What was sent as a signal in our words; whatever is not one of its fields goes into the payload.

    Judges no value: what is wrong with them is for the one reader of signals to say. Raises ValidationFailed for a
    document that is no object, and for a field that stands both beside the payload and in it.
    """
    if not isinstance(told, Mapping):
        raise ValidationFailed([FieldError("", "Must be an object.")])
    left = dict(told)
    document: dict[str, Any] = {}
    places: dict[str, str] = {}
    for ours in SIGNAL_FIELDS:
        theirs = _first(translation.looked_for(ours), left)
        if theirs is not None:
            document[ours] = _in_our_words(ours, left.pop(theirs), translation)
            places[f"/{ours}"] = f"/{_escape(theirs)}"
    inner = left.pop("payload", {})
    if not isinstance(inner, Mapping):
        return Translated({**document, "payload": inner}, places, translation)
    document["payload"] = _payload(inner, left, translation, places)
    return Translated(document, places, translation)


def _payload(
    inner: Mapping[str, Any], beside: dict[str, Any], translation: Translation, places: dict[str, str]
) -> dict[str, Any]:
    """The payload as it was sent and what stood beside it, together; notes in `places` where the latter came from."""
    payload = dict(inner)
    ours_by_theirs = {translation.looked_for(ours)[0]: ours for ours in PAYLOAD_FIELDS}
    for theirs, value in beside.items():
        ours = ours_by_theirs.get(theirs, theirs)
        if ours in payload:
            raise ValidationFailed([FieldError(f"/{_escape(theirs)}", "Stands twice: in the payload too.")])
        payload[ours] = _levels(value) if ours in _LEVELS else value
        places[f"/payload/{_escape(ours)}"] = f"/{_escape(theirs)}"
    interval = _INTERVALS.get(str(payload.get("interval", "")))
    if interval is not None and "timeframe" not in payload:
        payload["timeframe"] = interval
    return payload


def _first(names: Iterable[str], told: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in told), None)


def _in_our_words(ours: str, value: Any, translation: Translation) -> Any:
    """A value as our reader takes it, where the sender's way of writing it is known; anything else as it is."""
    if ours == "side" and isinstance(value, str):
        return _SIDES.get(value.strip().lower(), value)
    if ours == "instrument" and isinstance(value, str):
        # A continuous future: ES1! is written so by nobody but its vendor.
        name = value.strip().removesuffix("!")
        return name.rpartition(":")[2] if translation.strip_exchange else name
    if ours == "time" and isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        return int(value)
    if ours in ("version", "external_id") and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def _levels(value: Any) -> Any:
    """A text such as `1.08, 1.09` holds several prices: a line of text has no other way to say so."""
    return [part.strip() for part in value.split(",")] if isinstance(value, str) and "," in value else value


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")
