"""Domain errors. Only `app.web` maps their kinds to HTTP statuses."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, ClassVar


class ErrorKind(Enum):
    MALFORMED = auto()
    UNAUTHENTICATED = auto()
    NOT_FOUND = auto()
    CONFLICT = auto()
    GONE = auto()
    LENGTH_REQUIRED = auto()
    TOO_LARGE = auto()
    UNSUPPORTED_MEDIA = auto()
    INVALID = auto()
    FAILED_DEPENDENCY = auto()
    RATE_LIMITED = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong value: a JSON pointer (RFC 6901) to it and what it should have been."""

    pointer: str
    message: str


def json_pointer(*path: object) -> str:
    """The JSON pointer (RFC 6901) to the value at a path of names and indices."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


class DomainError(Exception):
    """A refusal. `slug` is stable for machines, `detail` is for people; `extra` adds members to the problem."""

    kind: ClassVar[ErrorKind]
    slug: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, location: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.location = location
        self.retry_after = retry_after

    @property
    def extra(self) -> dict[str, Any]:
        return {}


class MalformedJson(DomainError):
    kind, slug, title = ErrorKind.MALFORMED, "malformed-json", "The body is not JSON"


class Unauthenticated(DomainError):
    kind, slug, title = ErrorKind.UNAUTHENTICATED, "unauthenticated", "Not authenticated"


class NotFound(DomainError):
    kind, slug, title = ErrorKind.NOT_FOUND, "not-found", "Not found"


class Gone(DomainError):
    kind, slug, title = ErrorKind.GONE, "gone", "No longer kept"


class LengthRequired(DomainError):
    kind, slug, title = ErrorKind.LENGTH_REQUIRED, "length-required", "The body has no Content-Length"


class PayloadTooLarge(DomainError):
    kind, slug, title = ErrorKind.TOO_LARGE, "payload-too-large", "The body is too large"


class UnsupportedMediaType(DomainError):
    kind, slug, title = ErrorKind.UNSUPPORTED_MEDIA, "unsupported-media-type", "The body's type is not taken"


class RateLimited(DomainError):
    kind, slug, title = ErrorKind.RATE_LIMITED, "rate-limited", "Too many requests"


class Unavailable(DomainError):
    kind, slug, title = ErrorKind.UNAVAILABLE, "unavailable", "Not available now"


class ValidationFailed(DomainError):
    """The body was read and does not fit. Carries every wrong value."""

    kind, slug, title = ErrorKind.INVALID, "validation-failed", "The request does not fit"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.message}" for error in errors[:3]))
        self.errors = errors

    @property
    def extra(self) -> dict[str, Any]:
        return {"errors": [{"pointer": error.pointer, "message": error.message} for error in self.errors]}
