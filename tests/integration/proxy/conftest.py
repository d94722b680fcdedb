"""The whole application behind the project's Caddyfile, with four threads: few enough for slow clients to take all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.factory import create_app
from app.hooks.commands import hooks
from app.resources import Resources
from config import Settings
from tests import processes
from tests.integration.proxy import caddy


@pytest.fixture(scope="session")
def behind_proxy(valkey: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the application that the proxy stands in front of."""
    folder = tmp_path_factory.mktemp("behind")
    (folder / "signalbox.db").write_bytes(sqlite_template.read_bytes())
    return Settings(
        database_url=f"sqlite:///{folder / 'signalbox.db'}",
        redis_url=valkey,
        media_dir=folder / "media",
        prometheus_multiproc_dir=str(folder / "metrics"),
        signals_hmac_key="a key of tests, long enough to be taken",
        signals_dedup_window_seconds=0,
        trusted_proxies=("127.0.0.1/32",),
        web_concurrency=1,
        web_threads=4,
    )


@pytest.fixture(scope="session")
def application(behind_proxy: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The real web server's host:port, and its log."""
    with processes.serving(behind_proxy, tmp_path_factory.mktemp("web")) as (program, address):
        yield address.removeprefix("http://"), program.log


@pytest.fixture(scope="session")
def front(application: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[caddy.Proxy]:
    with caddy.proxy(application[0], tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[caddy.Proxy, caddy.Recorder]]:
    with caddy.recorder() as record, caddy.proxy(record.address, tmp_path_factory.mktemp("recording")) as proxy:
        yield proxy, record


@pytest.fixture
def recorded(recording: tuple[caddy.Proxy, caddy.Recorder]) -> tuple[caddy.Proxy, caddy.Recorder]:
    """The proxy in front of a server that keeps what it gets, and has got nothing yet."""
    recording[1].heads.clear()
    recording[1].bodies.clear()
    return recording


@pytest.fixture(scope="session")
def hook_paths(behind_proxy: Settings) -> dict[str, str]:
    """Addresses of hooks by the network that may send to them."""
    resources = Resources.build(behind_proxy)
    runner = create_app(behind_proxy, resources).test_cli_runner()
    made = {}
    for network in ("127.0.0.0/8", "203.0.113.0/24"):
        done = runner.invoke(hooks, ["create", "--producer", "tv", "--allow-from", network])
        assert done.exit_code == 0, done.stderr
        made[network] = str(done.stdout).strip()
    resources.close()
    return made
