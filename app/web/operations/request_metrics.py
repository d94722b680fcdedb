"""HTTP metrics, under the names that prometheus-flask-exporter gives them: requests by the URL rule they matched.

The exporter's own hooks take 4 % of a stored signal more (docs/adr/0020): of it there is only the gauge of versions.
The number of series has a limit: paths are never labels, and requests with an invented method are not counted.
"""

from __future__ import annotations

from importlib.metadata import version
from platform import python_version
from typing import Final

from flask import Request
from prometheus_flask_exporter import PrometheusMetrics

from app.shared.metrics import FAST_BUCKETS, Counter, Histogram

KNOWN_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_SECONDS: Final = Histogram(
    "flask_http_request_duration_seconds",
    "Flask HTTP request duration in seconds",
    ("method", "url_rule", "status"),
    buckets=FAST_BUCKETS,
)
_REQUESTS: Final = Counter("flask_http_request_total", "Total number of HTTP requests", ("method", "status"))

_EXPORTER: Final = PrometheusMetrics.for_app_factory(path=None, export_defaults=False)
_EXPORTER.info(
    "signalbox_build_info", "Versions that the web processes run", python=python_version(), flask=version("flask")
)


def record(method: str, rule: str, status: int, seconds: float) -> None:
    """Count one request, unless its method is an invented one."""
    if method in KNOWN_METHODS:
        _SECONDS.labels(method, rule, status).observe(seconds)
        _REQUESTS.labels(method, status).inc()


def url_rule(matched: Request) -> str:
    """The rule that the request matched."""
    return matched.url_rule.rule if matched.url_rule is not None else "unmatched"
