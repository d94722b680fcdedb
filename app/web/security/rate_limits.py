"""The rate limit of producers in HTTP: 429 with Retry-After, and the RateLimit headers of the IETF draft."""

from __future__ import annotations

import math
from typing import Final, cast

from flask import Flask, Response, current_app, g

from app.access.rate_limits import Budget, Rate, RateLimiter
from app.resources import Resources
from app.shared.errors import RateLimited

POLICY: Final = "signals"

_EXTENSION: Final = "signalbox.rate_limiter"


def register(app: Flask, resources: Resources) -> None:
    rate = resources.settings.signals_rate
    app.extensions[_EXTENSION] = RateLimiter(resources.redis, Rate(*rate)) if rate is not None else None
    app.after_request(_add_headers)


def spend(producer: str, count: int) -> None:
    """Subtract `count` signals from the producer's budget, if there is a limit. Raises RateLimited."""
    limiter = cast("RateLimiter | None", current_app.extensions[_EXTENSION])
    if limiter is None:
        return
    g.budget = budget = limiter.spend(producer, count)
    if budget.wait_seconds > 0:
        detail = f"{budget.rate.count} signals in {budget.rate.seconds} seconds, and {budget.remaining} are left"
        raise RateLimited(detail, retry_after=max(math.ceil(budget.wait_seconds), 1))


def _add_headers(response: Response) -> Response:
    budget = cast("Budget | None", g.get("budget"))
    if budget is not None:
        response.headers["RateLimit-Policy"] = f'"{POLICY}";q={budget.rate.count};w={budget.rate.seconds}'
        response.headers["RateLimit"] = f'"{POLICY}";r={budget.remaining};t={math.ceil(budget.reset_seconds)}'
    return response
