"""Redis stopped, frozen, empty, full, slow or cut off under load: the same responses; charts may be later."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from tests import processes
from tests.faults import promises
from tests.faults.conftest import Scene
from tests.faults.ledger import FINAL, Load
from tests.faults.pictures import request_charts
from tests.faults.proxy import Proxy
from tests.faults.servers import Valkey

pytestmark = pytest.mark.faults

MAX_P99_SECONDS = 1.5
FAULT_SECONDS = 3.0
FROZEN_SECONDS = 8.0

Fault = Callable[[Valkey, Proxy], AbstractContextManager[None]]


@contextmanager
def stopped(server: Valkey, _proxy: Proxy) -> Iterator[None]:
    server.end(signal.SIGTERM)
    yield
    server.start()


@contextmanager
def killed(server: Valkey, _proxy: Proxy) -> Iterator[None]:
    server.end(signal.SIGKILL)
    yield
    server.start()


@contextmanager
def emptied(server: Valkey, _proxy: Proxy) -> Iterator[None]:
    server.empty()
    yield
    server.empty()


@contextmanager
def frozen(server: Valkey, _proxy: Proxy) -> Iterator[None]:
    with server.frozen():
        yield
        time.sleep(FROZEN_SECONDS - FAULT_SECONDS)


@contextmanager
def full(server: Valkey, _proxy: Proxy) -> Iterator[None]:
    with server.full():
        yield


@contextmanager
def slow(_server: Valkey, proxy: Proxy) -> Iterator[None]:
    proxy.delay_seconds = 0.15
    yield
    proxy.delay_seconds = 0.0


@contextmanager
def dropped(_server: Valkey, proxy: Proxy) -> Iterator[None]:
    proxy.drop = True
    yield
    proxy.drop = False
    proxy.cut()


@contextmanager
def cut(_server: Valkey, proxy: Proxy) -> Iterator[None]:
    for _ in range(10):
        proxy.cut()
        time.sleep(0.2)
    yield


@pytest.fixture
def proxy(valkey_server: Valkey) -> Iterator[Proxy]:
    with Proxy(valkey_server.port).running() as started:
        yield started


@pytest.mark.parametrize(
    ("fault", "description"),
    [
        (stopped, "Redis stopped for 3 s, without persistence"),
        pytest.param(killed, "Redis killed, unavailable for 3 s, all data lost", marks=pytest.mark.faults_quick),
        (emptied, "FLUSHALL, twice"),
        pytest.param(frozen, "Redis frozen for 8 s", marks=pytest.mark.faults_quick),
        (full, "Redis full for 3 s (noeviction)"),
        (slow, "Redis 150 ms slower for 3 s"),
        (dropped, "all traffic to Redis dropped for 3 s"),
        (cut, "Redis connections cut 10 times"),
    ],
)
def test_signals_get_the_same_responses_and_every_chart_is_drawn(
    scene: Scene, valkey_server: Valkey, proxy: Proxy, fault: Fault, description: str
) -> None:
    settings = replace(scene.settings, redis_url=proxy.url)
    load = Load(scene.ledger, [], threads=4, seed=scene.seed, pace_seconds=0.03)
    with (
        processes.web(settings, scene.folder) as address,
        processes.worker(settings, scene.folder),
        processes.beat(settings, scene.folder),
    ):
        load.addresses.append(address)
        chart_ids = request_charts(address, (f"before {number}" for number in range(8)))
        with load.running():
            time.sleep(1)
            with fault(valkey_server, proxy):
                chart_ids += request_charts(address, (f"during {number}" for number in range(8)))
                time.sleep(FAULT_SECONDS)
            healed = time.monotonic()
            time.sleep(1)
        seconds = promises.wait_until_idle(scene.resources, 90) + time.monotonic() - healed
    entries = scene.ledger.entries()
    outcome = promises.check_signals(scene.resources, entries, FINAL)
    statuses = promises.check_charts(scene.resources, chart_ids)
    promises.check_media(scene.resources)
    assert statuses["ready"] == len(chart_ids), statuses
    assert outcome.p99_seconds < MAX_P99_SECONDS
    scene.results.add(
        description, f"{len(entries)} posts, 16 charts", outcome, seconds, f"p99 {outcome.p99_seconds * 1000:.0f} ms"
    )
