"""Counts and times requests by the rule they matched, in the metrics of the Flask exporter."""

from __future__ import annotations

from typing import Any, Final

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


class Exporter(PrometheusMetrics):  # type: ignore[misc]  # the exporter has no types
    """The exporter without hooks of its own: whoever sees the end of a request tells it.

    Its hooks look for the request a dozen times and for each metric by the names of its labels, which takes two thirds
    of the time in which a bare Flask answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._known: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        super().__init__(*args, **kwargs)

    def export_defaults(self, *_args: Any, **_kwargs: Any) -> None:
        """Its two metrics are above, made once for all applications of a process."""

    def count(self, method: str, rule: str, status: int, seconds: float) -> None:
        """One request. `rule` is never a path, which anyone may make up; nor is an invented method counted."""
        if method not in KNOWN_METHODS:
            return
        known = self._known.get((method, rule, status))
        if known is None:
            known = _SECONDS.labels(method, rule, status), _REQUESTS.labels(method, status)
            self._known[method, rule, status] = known
        observed, counted = known
        observed.observe(seconds)
        counted.inc()
