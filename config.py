"""Settings: one frozen object, read from the environment once at start, every error reported by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, cast

from environs import EnvValidationError, FileAwareEnv

from app.shared import setting_checks

ROOT: Final = Path(__file__).resolve().parent
SHORTEST_KEY: Final = 32
MAX_HEAD_TIMEOUT_SECONDS: Final = 60
MAX_SECONDS: Final = 366 * 86_400
MAX_DAYS: Final = 36_500
MAX_COUNT: Final = 2**31 - 1
MAX_BYTES: Final = 2**53
MAX_PROCESSES: Final = 1_024
DEVELOPMENT_SECRET: Final = "development-only-secret-key-not-for-production"  # noqa: S105 - production refuses it
DEFAULT_DATABASE_URL: Final = f"sqlite:///{ROOT / 'var' / 'signalbox.db'}"
DEFAULT_MEDIA_DIR: Final = ROOT / "media"
MEDIA_URL: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.-]+)*/?")
# Where the packages fonts-noto-core, fonts-noto-cjk and fonts-symbola of Debian and Ubuntu put their files.
DEFAULT_FONT_DIRS: Final = (
    "/usr/share/fonts/truetype/noto",
    "/usr/share/fonts/opentype/noto",
    "/usr/share/fonts/truetype/ancient-scripts",
)
DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"
PERIODS: Final = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}

_RATE: Final = re.compile(rf"[1-9][0-9]{{0,8}}/({'|'.join(PERIODS)})")
_PRODUCER: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class SettingsError(Exception):
    """What is wrong with the settings: one line for each name."""

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{name}: {problem}" for name, problem in sorted(problems.items())))


def _setting(
    default: Any,
    meaning: str,
    *,
    kind: str = "str",
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field read from the variable of its name in capitals. `kind` is the parser of environs to read it with."""
    return field(default=default, metadata={"meaning": meaning, "kind": kind, "limits": limits, "choices": choices})


def _count(default: int, meaning: str, least: int = 1, limit: int = MAX_COUNT) -> Any:
    return _setting(default, meaning, kind="int", limits=(least, limit))


def _bytes(default: int, meaning: str, least: int = 1) -> Any:
    return _count(default, meaning, least, MAX_BYTES)


def _seconds(default: float, meaning: str, least: float = 0, limit: float = MAX_SECONDS) -> Any:
    return _setting(default, meaning, kind="float", limits=(least, limit))


def _whole_seconds(default: int, meaning: str, least: int = 1) -> Any:
    return _count(default, meaning, least, MAX_SECONDS)


def _port(default: int, meaning: str, least: int = 1) -> Any:
    return _count(default, meaning, least, setting_checks.MAX_PORT)


def _path(default: Path, meaning: str) -> Any:
    return _setting(default, meaning, kind="path")


def _names(default: tuple[str, ...], meaning: str) -> Any:
    return _setting(default, meaning, kind="list")


@dataclass(frozen=True)
class Settings:
    """Every setting. The name of its variable is the field's in capitals; NAME_FILE names a file to read it from."""

    app_env: str = _setting("development", "production refuses unsafe defaults", choices=("development", "production"))
    secret_key: str = _setting(DEVELOPMENT_SECRET, "key of signed cookies, at least 32 characters")
    api_keys: tuple[str, ...] = _names((), "name:token pairs that may call the API; none: open to all")
    log_level: str = _setting("INFO", "lowest level logged", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    database_url: str = _setting(DEFAULT_DATABASE_URL, "SQLAlchemy URL of PostgreSQL or SQLite")
    database_pool_size: int = _count(10, "connections kept open by one process", limit=MAX_PROCESSES)
    database_timeout_seconds: float = _seconds(2.0, "longest wait for a connection, a lock or a statement", least=0.1)
    redis_url: str = _setting(DEFAULT_REDIS_URL, "claims and wake-ups; never evicts")
    celery_broker_url: str = _setting("", "Celery's broker; default REDIS_URL")
    cache_redis_url: str = _setting("", "cache of images; default REDIS_URL")
    redis_timeout_seconds: float = _seconds(0.25, "longest wait for a Redis answer in a request", least=0.01)

    signals_hmac_enabled: bool = _setting(default=False, meaning="signals must be signed", kind="bool")
    signals_hmac_key: str = _setting("", "key of every producer without one of its own, at least 32 characters")
    signals_hmac_keys: tuple[str, ...] = _names(
        (), "producer:key pairs; several of one producer while one replaces another"
    )
    signals_hmac_legacy: bool = _setting(default=False, meaning="accept X-Signature, which knows no time", kind="bool")
    signals_hmac_tolerance_seconds: int = _whole_seconds(300, "how far webhook-timestamp may be from now")
    signals_dedup_window_seconds: int = _whole_seconds(
        300, "signals closer than this in time are one; 0: rule off", least=0
    )
    signals_dedup_fields: tuple[str, ...] = _names(
        ("instrument", "version", "side"), "what must be equal inside the window; also: payload.strategy"
    )
    signals_max_payload_bytes: int = _bytes(32_768, "largest body of one signal")
    signals_batch_max_bytes: int = _bytes(1_048_576, "largest body of a batch")
    signals_batch_max_items: int = _count(100, "most signals in a batch")
    signals_max_ahead_seconds: int = _whole_seconds(60, "how far a signal's time may lie ahead", least=0)
    signals_schemas_ttl_seconds: float = _seconds(5.0, "how long a process uses payload schemas before it looks again")
    signals_rate_limit: str = _setting("", "limit for each producer, such as 600/minute; empty: none")

    bars_max_bytes: int = _bytes(4 * 1024 * 1024, "largest body of bars")

    charts_max_body_bytes: int = _bytes(4 * 1024 * 1024, "largest body of a chart request")
    charts_max_queue: int = _count(1_000, "charts waiting before new ones are refused with 503")
    charts_max_wait_seconds: float = _seconds(10.0, "longest Prefer: wait")
    charts_max_attempts: int = _count(3, "renders started before a chart is failed")
    charts_local_ttl_seconds: float = _seconds(5.0, "how long a process knows that an image is ready; 0: it asks")
    charts_lease_seconds: int = _whole_seconds(60, "how long one render may hold its chart")
    charts_font_dirs: tuple[str, ...] = _names(
        DEFAULT_FONT_DIRS, "folders of fonts for what DejaVu Sans lacks; alike for web and worker processes"
    )
    charts_max_side: int = _count(3_000, "longest side in pixels")
    charts_max_pixels: int = _count(9_000_000, "most pixels in an image, after scale")
    charts_max_bars: int = _count(20_000, "most bars in a chart")
    charts_max_overlays: int = _count(12, "most overlays in a chart", least=0)
    charts_max_panels: int = _count(6, "most panels in a chart", least=0)
    charts_max_annotations: int = _count(300, "most annotations in a chart", least=0)
    charts_max_milliseconds: int = _count(4_000, "most processor time a chart may need by its estimate")
    charts_signal_bars: int = _count(120, "bars shown in a signal's own chart", least=2)
    charts_signal_width: int = _count(1_200, "width of a signal's own chart", least=64)
    charts_signal_height: int = _count(675, "height of a signal's own chart", least=64)
    charts_signal_theme: str = _setting("light", "its theme", choices=("light", "dark", "colorblind"))

    media_dir: Path = _path(DEFAULT_MEDIA_DIR, "where images are kept, in folders by date")  # noqa: RUF009 - a Path cannot change
    media_url: str = _setting("", "s3://bucket/prefix, to keep images there instead of in MEDIA_DIR")
    media_ttl_seconds: int = _whole_seconds(3_600, "how long an image stays in Redis")
    media_cache_bytes: int = _bytes(256_000_000, "most bytes of images in Redis; the oldest go first; 0: none", least=0)
    media_local_ttl_seconds: int = _whole_seconds(60, "how long an image stays in a process's own cache")
    media_local_bytes: int = _bytes(64_000_000, "size of a process's own image cache", least=0)
    media_retention_days: int = _count(30, "days an image is kept on disk", limit=MAX_DAYS)
    media_max_bytes: int = _bytes(50_000_000, "largest image")
    media_quota_bytes: int = _bytes(0, "most bytes of all images; 0: no limit", least=0)

    events_max_attempts: int = _count(5, "tries to follow up an event before it is given up")
    events_retention_days: int = _count(7, "days a dispatched event is kept", limit=MAX_DAYS)
    sweep_interval_seconds: float = _seconds(15.0, "how often what is due is woken", least=0.1)
    cleanup_interval_seconds: float = _seconds(300.0, "how often media and events are cleaned", least=0.1)

    web_host: str = _setting("127.0.0.1", "address the web server binds")
    port: int = _port(8_000, "port the web server binds")
    web_concurrency: int = _count(2, "web processes", limit=MAX_PROCESSES)
    web_threads: int = _count(32, "threads of one web process", limit=MAX_PROCESSES)
    web_connections: int = _count(512, "open connections of one web process; more wait until one closes")
    web_head_timeout_seconds: float = _seconds(
        30.0,
        "longest wait for a request's head, also on an idle connection; at most 60",
        least=1,
        limit=MAX_HEAD_TIMEOUT_SECONDS,
    )
    web_graceful_timeout_seconds: int = _whole_seconds(30, "how long a stopping web process may finish its requests")
    web_drain_seconds: float = _seconds(0.0, "how long a stopping web server still serves while /readyz says 503")
    trusted_proxies: tuple[str, ...] = _names((), "networks of proxies whose X-Forwarded-For is believed")
    worker_concurrency: int = _count(2, "worker processes", limit=MAX_PROCESSES)
    worker_metrics_host: str = _setting("127.0.0.1", "address the worker's metrics bind")
    worker_metrics_port: int = _port(0, "port of the worker's metrics; 0: none", least=0)
    metrics_instruments: tuple[str, ...] = _names((), "instruments with series of their own; default: the first ones")
    metrics_max_instruments: int = _count(50, "how many instruments get series of their own", least=0)
    prometheus_multiproc_dir: str = _setting("", "folder shared by the processes of one server for their metrics")
    failpoint: str = _setting(
        "", "for the fault tests: where a process dies, such as after_commit; production refuses it"
    )

    @classmethod
    def from_env(cls) -> Settings:
        """Read everything. Raises SettingsError, which names every variable that is wrong and why."""
        env = FileAwareEnv(eager=False, strip_whitespace=True)
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for item in fields(cls):
            try:
                values[item.name] = _read(env, item.name.upper(), item.default, item.metadata["kind"])
            except UnicodeDecodeError:
                problems[item.name.upper()] = f"{item.name.upper()}_FILE names a file that is not text in UTF-8"
            except (ValueError, OSError):
                problems[item.name.upper()] = f"{item.name.upper()}_FILE names no file that can be read"
        problems |= _unreadable(env)
        problems |= _not_text({name: value for name, value in values.items() if name.upper() not in problems})
        readable = {name: value for name, value in values.items() if name.upper() not in problems}
        problems = cls(**readable).problems() | problems
        if problems:
            raise SettingsError(problems)
        return cls(**readable)

    def problems(self) -> dict[str, str]:
        """What is out of range, does not fit together, or is unsafe in production, by the variable's name."""
        return self._invalid() | (self._unsafe() if self.app_env == "production" else {})

    @property
    def broker_url(self) -> str:
        """Celery's broker. A socket has another scheme and another name of the database there."""
        url = self.celery_broker_url or self.redis_url
        scheme, separator, rest = url.partition("://")
        if scheme != "unix":
            return url
        return f"redis+socket{separator}{rest.replace('?db=', '?virtual_host=').replace('&db=', '&virtual_host=')}"

    @property
    def cache_url(self) -> str:
        return self.cache_redis_url or self.redis_url

    @property
    def font_folders(self) -> tuple[Path, ...]:
        """The folders of CHARTS_FONT_DIRS."""
        return tuple(map(Path, self.charts_font_dirs))

    @property
    def sqlalchemy_url(self) -> str:
        """The database URL with the driver this project installs named in it."""
        scheme, separator, rest = self.database_url.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        return f"{scheme}{separator}{rest}"

    @property
    def producer_keys(self) -> list[tuple[str, str]]:
        """Producers with signing keys of their own, one pair for each key."""
        return [_pair(text) for text in self.signals_hmac_keys]

    @property
    def signals_rate(self) -> tuple[int, int] | None:
        """How many signals one producer may send in how many seconds; None: as many as it likes."""
        if not self.signals_rate_limit:
            return None
        count, _, period = self.signals_rate_limit.partition("/")
        return int(count), PERIODS[period]

    def _invalid(self) -> dict[str, str]:
        problems = {
            item.name.upper(): told
            for item in fields(self)
            if (told := _complaint(getattr(self, item.name), item.metadata))
        }
        problems |= self._invalid_places() | self._invalid_signals()
        if any(not name or len(token) < SHORTEST_KEY for name, token in map(_pair, self.api_keys)):
            problems["API_KEYS"] = f"name:token pairs, each token of at least {SHORTEST_KEY} characters"
        if problem := setting_checks.failpoint(self.failpoint):
            problems["FAILPOINT"] = problem
        if self.worker_metrics_port and not self.prometheus_multiproc_dir:
            problems["PROMETHEUS_MULTIPROC_DIR"] = "needed by WORKER_METRICS_PORT: the work is done in child processes"
        return problems

    def _invalid_places(self) -> dict[str, str]:
        """What is wrong with URLs, addresses and folders."""
        shared, cache = self.redis_url, self.cache_redis_url
        found = {
            "DATABASE_URL": setting_checks.database_url(self.sqlalchemy_url),
            "REDIS_URL": setting_checks.redis_url(shared),
            "CELERY_BROKER_URL": self.celery_broker_url and setting_checks.redis_url(self.celery_broker_url),
            "CACHE_REDIS_URL": cache and setting_checks.redis_url(cache),
            "TRUSTED_PROXIES": setting_checks.networks(self.trusted_proxies),
            "WEB_HOST": setting_checks.host(self.web_host),
            "WORKER_METRICS_HOST": setting_checks.host(self.worker_metrics_host),
            "MEDIA_DIR": setting_checks.folder(self.media_dir),
            "PROMETHEUS_MULTIPROC_DIR": self.prometheus_multiproc_dir
            and setting_checks.folder(Path(self.prometheus_multiproc_dir)),
        }
        return {name: problem for name, problem in found.items() if problem}

    def _invalid_signals(self) -> dict[str, str]:
        problems = {}
        shared = len(self.signals_hmac_key)
        if self.signals_hmac_enabled and shared < SHORTEST_KEY and (shared or not self.signals_hmac_keys):
            problems["SIGNALS_HMAC_KEY"] = f"at least {SHORTEST_KEY} characters when signatures are required"
        elif problem := setting_checks.signing_keys([self.signals_hmac_key]):
            problems["SIGNALS_HMAC_KEY"] = problem
        if problem := setting_checks.signing_keys(key for _, key in self.producer_keys):
            problems["SIGNALS_HMAC_KEYS"] = problem
        if any(not _PRODUCER.fullmatch(name) or len(key) < SHORTEST_KEY for name, key in self.producer_keys):
            problems["SIGNALS_HMAC_KEYS"] = f"producer:key pairs, each key of at least {SHORTEST_KEY} characters"
        if self.signals_rate_limit and not _RATE.fullmatch(self.signals_rate_limit):
            problems["SIGNALS_RATE_LIMIT"] = f"a number of signals per {', '.join(PERIODS)}, such as 600/minute"
        if self.media_url and not MEDIA_URL.fullmatch(self.media_url):
            problems["MEDIA_URL"] = "s3://bucket or s3://bucket/prefix"
        known = {"instrument", "version", "side", "payload.strategy"}
        if not {"instrument", "version"} <= set(self.signals_dedup_fields) <= known:
            problems["SIGNALS_DEDUP_FIELDS"] = "instrument, version and, if wanted, side and payload.strategy"
        return problems

    def _unsafe(self) -> dict[str, str]:
        refusals = {
            "SECRET_KEY": (len(self.secret_key) < SHORTEST_KEY or self.secret_key == DEVELOPMENT_SECRET)
            and f"a key of your own, at least {SHORTEST_KEY} characters",
            "API_KEYS": not self.api_keys and "at least one, or the API is open to all",
            "DATABASE_URL": self.database_url == DEFAULT_DATABASE_URL and "a database of your own",
            "REDIS_URL": self.redis_url == DEFAULT_REDIS_URL and "a Redis of your own",
            "LOG_LEVEL": self.log_level == "DEBUG" and "DEBUG shows too much",
            "FAILPOINT": self.failpoint and "none, it ends processes on purpose",
            "SIGNALS_HMAC_KEY": 0 < len(self.signals_hmac_key) < SHORTEST_KEY
            and f"at least {SHORTEST_KEY} characters: a request signed with it needs no API key",
            "TRUSTED_PROXIES": not setting_checks.networks(self.trusted_proxies)
            and setting_checks.cover_everything(self.trusted_proxies)
            and "the networks of your proxies alone: with all addresses anybody could claim any",
        }
        return {name: f"production needs {need}" for name, need in refusals.items() if need}


def _pair(text: str) -> tuple[str, str]:
    name, _, token = text.partition(":")
    return name, token


def _read(env: FileAwareEnv, name: str, default: Any, kind: str) -> Any:
    value = getattr(env, kind)(name, default)
    if kind == "list" and value is not None:
        return tuple(item.strip() for item in value if item.strip())
    return value


def _unreadable(env: FileAwareEnv) -> dict[str, str]:
    try:
        env.seal()
    except EnvValidationError as error:
        told = cast("dict[str, list[str]]", error.error_messages)
        return {name: " ".join(" ".join(map(str, messages)).split()) for name, messages in told.items()}
    return {}


def _not_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Texts that are not, by the variable's name: bytes that are not UTF-8, control characters."""
    problems = {}
    for name, value in values.items():
        texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str | Path) else ()
        found = [problem for each in texts if (problem := setting_checks.text(str(each)))]
        if found:
            problems[name.upper()] = found[0]
    return problems


def _complaint(value: Any, metadata: Any) -> str | None:
    if metadata["choices"] and value not in metadata["choices"]:
        return f"one of {', '.join(metadata['choices'])}"
    if metadata["limits"] is not None:
        least, limit = metadata["limits"]
        if value < least:
            return f"at least {least}"
        if value > limit:
            return f"at most {limit}"
    return None
