"""HTTP metrics: prometheus-flask-exporter counts and times requests by the URL rule that they matched.

The number of series has a limit: paths are never labels, and requests with an invented method are not counted.
"""

from __future__ import annotations

from typing import Final

from flask import Flask, Request, request
from prometheus_flask_exporter import PrometheusMetrics

from app.shared.metrics import FAST_BUCKETS

KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def register(app: Flask) -> None:
    """Measure the application's requests. The exporter measures one application per process: the first."""
    # Before the hooks that may refuse a request: a refused request is excluded too.
    app.before_request(_exclude_invented_methods)
    PrometheusMetrics(app, path=None, group_by=url_rule, buckets=FAST_BUCKETS)


def url_rule(matched: Request) -> str:
    """The value of the label that has this function's name."""
    return matched.url_rule.rule if matched.url_rule is not None else "unmatched"


def _exclude_invented_methods() -> None:
    if request.method not in KNOWN_METHODS:
        _exclude()


@PrometheusMetrics.do_not_track()  # type: ignore[untyped-decorator]  # the exporter has no types
def _exclude() -> None:
    """Mark the current request, so that the exporter does not count it."""
