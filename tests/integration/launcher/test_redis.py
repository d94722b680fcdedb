"""The Redis process of the Procfile by itself, as any Procfile runner starts it."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from launcher import ports
from tests.integration.launcher.checkouts import ENVIRONMENT, Checkout, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number: int = probe.getsockname()[1]
        return number


@contextmanager
def started(checkout: Checkout, url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [checkout.root / ".venv" / "bin" / "python", "-m", "launcher.redis"],
        cwd=checkout.root,
        env=ENVIRONMENT | {"REDIS_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.terminate()


def test_it_evicts_nothing_and_keeps_its_data_over_a_restart(checkout: Checkout, port: int):
    url = f"redis://127.0.0.1:{port}/0"
    for before in (None, b"written"):
        with started(checkout, url) as process:
            wait_for("the server", lambda: ports.is_free(port) is False, 20)
            with Redis.from_url(url) as client:
                assert client.get("key") == before
                client.set("key", "written")
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert process.returncode == 0


def test_a_second_server_on_the_same_data_is_refused(checkout: Checkout, port: int):
    with started(checkout, f"redis://127.0.0.1:{port}/0") as first:
        wait_for("the server", lambda: ports.is_free(port) is False, 20)
        with started(checkout, f"redis://127.0.0.1:{port + 1}/0") as second:
            assert second.wait(20) == 1
            assert second.stderr is not None
            folder = f"{checkout.root}/var/redis"
            expected = f"redis: the server with pid {first.pid} already uses {folder}: stop it first\n"
            assert second.stderr.read() == expected


def test_a_server_on_another_machine_is_not_started_here(checkout: Checkout):
    with started(checkout, "redis://example.org/0") as process:
        assert process.wait(20) == 1
        assert process.stderr is not None
        assert process.stderr.read() == "redis: REDIS_URL names example.org: this starts a server at 127.0.0.1 only\n"
