"""What a process remembers of ready charts, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.charts import service
from app.charts.image_cache import CachedImage, ImageCache
from app.charts.models import Chart

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PICTURE = CachedImage("c1", "line", "png", "charts/2026/11/24/c1.png", "etag", NOW + timedelta(days=1))


class Timer:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def a_chart(**changes: Any) -> Chart:
    ready: dict[str, Any] = {"status": service.READY, "degraded": False, "path": PICTURE.path, "etag": "etag"}
    known: dict[str, Any] = {"id": "c1", "type": "line", "format": "png", "expires_at": PICTURE.expires_at}
    return Chart(**ready | known | changes)


def test_a_ready_chart_is_a_picture():
    assert CachedImage.of(a_chart()) == PICTURE


@pytest.mark.parametrize("change", [{"status": status} for status in ("queued", "rendering", "failed", "expired")])
def test_a_chart_without_an_image_is_none(change):
    assert CachedImage.of(a_chart(**change)) is None


def test_a_placeholder_is_none():
    assert CachedImage.of(a_chart(degraded=True)) is None


def test_a_picture_is_remembered_until_its_seconds_are_over():
    timer = Timer()
    ready = ImageCache(5.0, timer=timer)
    ready.put(PICTURE)
    timer.now += 4.9
    assert ready.get("c1", NOW) == PICTURE
    timer.now += 0.2
    assert ready.get("c1", NOW) is None


def test_a_picture_whose_time_is_over_is_not_given():
    ready = ImageCache(5.0)
    ready.put(replace(PICTURE, expires_at=NOW))
    assert ready.get("c1", NOW) is None


def test_a_forgotten_picture_is_gone():
    ready = ImageCache(5.0)
    ready.put(PICTURE)
    ready.remove("c1")
    ready.remove("never")
    assert ready.get("c1", NOW) is None


def test_with_no_seconds_nothing_is_remembered():
    ready = ImageCache(0.0)
    ready.put(PICTURE)
    assert ready.get("c1", NOW) is None
