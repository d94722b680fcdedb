"""The pipeline with images in an S3 bucket: the worker writes them, and the web server reads them from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from config import Settings
from tests import processes

A_CHART: dict[str, Any] = {"type": "histogram", "data": {"values": [1, 2, 2, 3]}}
ACCOUNT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server with a bucket. Its address is in the environment of every process."""
    port = processes.free_port()
    address = f"http://127.0.0.1:{port}"
    plain = processes.environment
    monkeypatch.setattr(processes, "environment", lambda of: plain(of) | ACCOUNT | {"AWS_ENDPOINT_URL": address})
    arguments = ["moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = processes.environment(Settings())
    with processes.running("s3", arguments, env, tmp_path, lambda log: "Running on" in log):
        assert requests.put(f"{address}/images", timeout=10).status_code == 200
        yield address


def test_an_image_drawn_into_a_bucket_is_served_from_it(endpoint: str, sqlite_url: str, redis_url: str, tmp_path: Path):
    settings = Settings(
        database_url=sqlite_url,
        redis_url=redis_url,
        media_dir=tmp_path / "unused",
        media_url="s3://images/charts-of-test",
        # Without caches every read goes to the bucket.
        media_cache_bytes=0,
        media_local_bytes=0,
        web_concurrency=1,
        worker_concurrency=1,
        redis_timeout_seconds=2,
        database_timeout_seconds=10,
    )
    with processes.web(settings, tmp_path) as address, processes.worker(replace(settings), tmp_path):
        wait = {"Prefer": "wait=10"}
        response = requests.post(f"{address}/api/v1/charts", json=A_CHART, headers=wait, timeout=15)
        assert response.json()["status"] == "ready", response.text
        image = requests.get(address + response.json()["image_url"], timeout=15)
    assert image.content.startswith(b"\x89PNG")
    listed = requests.get(f"{endpoint}/images?prefix=charts-of-test/charts/", timeout=10).text
    assert f"{response.json()['id']}.png" in listed
    assert not settings.media_dir.exists()
