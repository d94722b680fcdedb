"""The cache of ready charts in a web process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.charts import service
from app.charts.image_cache import CachedImage, ImageCache
from app.charts.models import Chart

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = CachedImage("c1", "line", "png", "charts/2026/11/24/c1.png", "etag", NOW + timedelta(days=1))


class Timer:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def a_chart(**changes: Any) -> Chart:
    ready: dict[str, Any] = {"status": service.READY, "degraded": False, "path": IMAGE.path, "etag": "etag"}
    other: dict[str, Any] = {"id": "c1", "type": "line", "format": "png", "expires_at": IMAGE.expires_at}
    return Chart(**ready | other | changes)


def test_a_ready_chart_has_a_cached_image():
    assert CachedImage.of(a_chart()) == IMAGE


@pytest.mark.parametrize("change", [{"status": status} for status in ("queued", "rendering", "failed", "expired")])
def test_a_chart_without_an_image_has_none(change):
    assert CachedImage.of(a_chart(**change)) is None


def test_a_placeholder_has_none():
    assert CachedImage.of(a_chart(degraded=True)) is None


def test_an_image_is_cached_for_the_ttl():
    timer = Timer()
    cache = ImageCache(5.0, timer=timer)
    cache.put(IMAGE)
    timer.now += 4.9
    assert cache.get("c1", NOW) == IMAGE
    timer.now += 0.2
    assert cache.get("c1", NOW) is None


def test_an_expired_image_is_not_returned():
    cache = ImageCache(5.0)
    cache.put(replace(IMAGE, expires_at=NOW))
    assert cache.get("c1", NOW) is None


def test_a_removed_image_is_not_returned():
    cache = ImageCache(5.0)
    cache.put(IMAGE)
    cache.remove("c1")
    cache.remove("never")
    assert cache.get("c1", NOW) is None


def test_a_ttl_of_zero_caches_nothing():
    cache = ImageCache(0.0)
    cache.put(IMAGE)
    assert cache.get("c1", NOW) is None
