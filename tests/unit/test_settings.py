"""Settings: read from the environment, every error names its variable, production refuses unsafe values."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from config import DEVELOPMENT_SECRET, Settings, SettingsError

LONG = "x" * 32
SAFE = {
    "APP_ENV": "production",
    "SECRET_KEY": LONG,
    "API_KEYS": f"desk:{LONG}",
    "DATABASE_URL": "postgresql://db/signalbox",
    "REDIS_URL": "redis://redis:6379/0",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in dataclasses.fields(Settings):
        for name in (field.name.upper(), f"{field.name.upper()}_FILE"):
            monkeypatch.delenv(name, raising=False)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return Settings.from_env()

    return read


def problems_of(read: Any, **variables: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as raised:
        read(**variables)
    return raised.value.problems


def test_an_empty_environment_works(read: Any) -> None:
    assert read() == Settings()


def test_every_setting_has_a_description() -> None:
    assert all(field.metadata["meaning"] for field in dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SIGNALS_DEDUP_WINDOW_SECONDS", "0", 0),
        ("DATABASE_TIMEOUT_SECONDS", "1.5", 1.5),
        ("SIGNALS_HMAC_LEGACY", "true", True),
        ("MEDIA_DIR", "/srv/media", Path("/srv/media")),
        ("SIGNALS_DEDUP_FIELDS", "instrument, version ,side", ("instrument", "version", "side")),
        ("API_KEYS", f"a:{LONG},b:{LONG}", (f"a:{LONG}", f"b:{LONG}")),
        ("SIGNALS_HMAC_KEYS", f"a:{LONG},a:{LONG}y", (f"a:{LONG}", f"a:{LONG}y")),
        ("SIGNALS_RATE_LIMIT", "600/minute", "600/minute"),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
        ("REDIS_URL", "unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_variable_is_read_as_its_type(read: Any, name: str, text: str, value: Any) -> None:
    assert getattr(read(**{name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("SIGNALS_DEDUP_WINDOW_SECONDS", "-1"),
        ("SIGNALS_HMAC_ENABLED", "maybe"),
        ("LOG_LEVEL", "LOUD"),
        ("APP_ENV", "staging"),
        ("DATABASE_URL", "mysql://db/x"),
        ("REDIS_URL", "http://redis"),
        ("CACHE_REDIS_URL", "memcached://x"),
        ("SIGNALS_DEDUP_FIELDS", "side"),
        ("SIGNALS_DEDUP_FIELDS", "instrument,version,price"),
        ("API_KEYS", "short:abc"),
        ("API_KEYS", LONG),
        ("API_KEYS", f":{LONG}"),
        ("SIGNALS_HMAC_KEYS", "a:short"),
        ("SIGNALS_HMAC_KEYS", f"a b:{LONG}"),
        ("SIGNALS_HMAC_KEYS", LONG),
        ("SIGNALS_RATE_LIMIT", "600"),
        ("SIGNALS_RATE_LIMIT", "0/minute"),
        ("SIGNALS_RATE_LIMIT", "600/fortnight"),
        ("SIGNALS_RATE_LIMIT", "1.5/second"),
        ("DATABASE_TIMEOUT_SECONDS", "nan"),
        ("DATABASE_TIMEOUT_SECONDS", "inf"),
    ],
)
def test_a_wrong_value_is_reported_with_its_name(read: Any, name: str, text: str) -> None:
    assert set(problems_of(read, **{name: text})) == {name}


def test_all_errors_are_reported_together_one_line_each(read: Any) -> None:
    problems = problems_of(read, PORT="x", WEB_THREADS="0", REDIS_URL="no")
    assert set(problems) == {"PORT", "WEB_THREADS", "REDIS_URL"}
    assert len(str(SettingsError(problems)).splitlines()) == 3


def test_a_setting_may_come_from_a_file(read: Any, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{LONG}\n")
    assert read(SECRET_KEY_FILE=str(file)).secret_key == LONG


def test_a_missing_file_is_reported_with_the_name_of_the_setting(read: Any) -> None:
    assert any(name.startswith("SECRET_KEY") for name in problems_of(read, SECRET_KEY_FILE="/nowhere/key"))


def test_required_signatures_need_a_long_key(read: Any) -> None:
    assert set(problems_of(read, SIGNALS_HMAC_ENABLED="true", SIGNALS_HMAC_KEY="short")) == {"SIGNALS_HMAC_KEY"}
    assert read(SIGNALS_HMAC_ENABLED="true", SIGNALS_HMAC_KEY=LONG).signals_hmac_enabled


def test_keys_of_producers_are_enough_for_required_signatures(read: Any) -> None:
    assert read(SIGNALS_HMAC_ENABLED="true", SIGNALS_HMAC_KEYS=f"a:{LONG}").producer_keys == [("a", LONG)]


@pytest.mark.parametrize(
    ("text", "rate"), [("", None), ("5/second", (5, 1)), ("600/minute", (600, 60)), ("9/day", (9, 86_400))]
)
def test_a_rate_is_a_number_of_signals_and_a_number_of_seconds(text: str, rate: tuple[int, int] | None) -> None:
    assert Settings(signals_rate_limit=text).signals_rate == rate


def test_no_error_contains_a_secret(read: Any) -> None:
    problems = problems_of(
        read,
        SIGNALS_HMAC_ENABLED="true",
        SIGNALS_HMAC_KEY="hush-hush",
        SIGNALS_HMAC_KEYS="desk:hush",
        API_KEYS="desk:quiet",
    )
    assert "hush" not in str(problems)
    assert "quiet" not in str(problems)


def test_production_starts_with_safe_settings(read: Any) -> None:
    assert read(**SAFE).app_env == "production"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SECRET_KEY", DEVELOPMENT_SECRET),
        ("SECRET_KEY", "short"),
        ("API_KEYS", ""),
        ("DATABASE_URL", None),
        ("REDIS_URL", None),
        ("LOG_LEVEL", "DEBUG"),
        ("FAILPOINT", "after_commit"),
    ],
)
def test_production_refuses_an_unsafe_setting_by_name(read: Any, name: str, text: str) -> None:
    variables = SAFE | ({name: text} if text is not None else {})
    if text is None:
        del variables[name]
    assert set(problems_of(read, **variables)) == {name}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_is_reached_through_the_driver_that_is_installed(scheme: Any) -> None:
    assert Settings(database_url=f"{scheme}://u@h/d").sqlalchemy_url == "postgresql+psycopg://u@h/d"


def test_broker_and_cache_default_to_redis_url() -> None:
    settings = Settings(redis_url="redis://a/0")
    assert (settings.broker_url, settings.cache_url) == ("redis://a/0", "redis://a/0")
    settings = dataclasses.replace(settings, celery_broker_url="redis://b/0", cache_redis_url="redis://c/0")
    assert (settings.broker_url, settings.cache_url) == ("redis://b/0", "redis://c/0")
