"""What every door for signals shares inside a web process: the one intake, and the count of refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from flask import current_app
from werkzeug.exceptions import HTTPException

from app.shared.errors import DomainError, Unavailable
from app.signals import metrics
from app.signals.intake import Intake
from app.web.context import resources
from app.web.http.problems import DATABASE_UNAVAILABLE

PATH: Final = "/api/v1/signals"
_EXTENSION: Final = "signalbox.signals"


def intake() -> Intake:
    """The app's one intake: it remembers, from request to request, when Redis last failed and the payload schemas."""
    kept = current_app.extensions.get(_EXTENSION)
    if kept is None:
        kept = current_app.extensions.setdefault(_EXTENSION, Intake.build(resources()))
    return cast("Intake", kept)


@contextmanager
def refusals_counted() -> Iterator[None]:
    """Counts whatever refuses a signal, by its slug."""
    try:
        yield
    except DomainError as error:
        metrics.REJECTED.labels(error.slug).inc()
        raise
    except DATABASE_UNAVAILABLE:
        metrics.REJECTED.labels(Unavailable.slug).inc()
        raise
    except HTTPException as error:
        metrics.REJECTED.labels(error.name.lower().replace(" ", "-")).inc()
        raise
