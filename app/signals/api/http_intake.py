"""What all HTTP endpoints that receive signals share: the process's one intake, and the count of refused signals."""

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
    """The application's intake. It keeps state between requests: failures of Redis, payload schemas."""
    instance = current_app.extensions.get(_EXTENSION)
    if instance is None:
        instance = current_app.extensions.setdefault(_EXTENSION, Intake.build(resources()))
    return cast("Intake", instance)


@contextmanager
def count_refusals() -> Iterator[None]:
    """Counts each error that refuses a signal, by its slug, and raises it again."""
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
