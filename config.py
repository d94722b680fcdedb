"""Settings: one immutable object, read from the environment once at start. Reports all errors, each by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, cast

from environs import EnvValidationError, FileAwareEnv

from app.shared import setting_checks

ROOT: Final = Path(__file__).resolve().parent
MIN_KEY_LENGTH: Final = 32
MAX_HEAD_TIMEOUT_SECONDS: Final = 60
MAX_SECONDS: Final = 366 * 86_400
MAX_DAYS: Final = 36_500
MAX_COUNT: Final = 2**31 - 1
MAX_BYTES: Final = 2**53
MAX_PROCESSES: Final = 1_024
DEVELOPMENT_SECRET: Final = "development-only-secret-key-not-for-production"  # noqa: S105 - production refuses it
DEFAULT_WEB_PROCESSES: Final = 2
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
    """Invalid settings, one line per variable. `problems` maps names to reasons."""

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
    """A field read from the environment variable of the same name in capitals. `kind` is the parser of environs."""
    return field(default=default, metadata={"meaning": meaning, "kind": kind, "limits": limits, "choices": choices})


def _count(default: int, meaning: str, minimum: int = 1, limit: int = MAX_COUNT) -> Any:
    return _setting(default, meaning, kind="int", limits=(minimum, limit))


def _bytes(default: int, meaning: str, minimum: int = 1) -> Any:
    return _count(default, meaning, minimum, MAX_BYTES)


def _seconds(default: float, meaning: str, minimum: float = 0, limit: float = MAX_SECONDS) -> Any:
    return _setting(default, meaning, kind="float", limits=(minimum, limit))


def _whole_seconds(default: int, meaning: str, minimum: int = 1) -> Any:
    return _count(default, meaning, minimum, MAX_SECONDS)


def _port(default: int, meaning: str, minimum: int = 1) -> Any:
    return _count(default, meaning, minimum, setting_checks.MAX_PORT)


def _path(default: Path, meaning: str) -> Any:
    return _setting(default, meaning, kind="path")


def _names(default: tuple[str, ...], meaning: str) -> Any:
    return _setting(default, meaning, kind="list")


@dataclass(frozen=True)
class Settings:
    """All settings. A field is read from the variable NAME (the field in capitals), or from the file in NAME_FILE."""

    app_env: str = _setting(
        "development", "in production, unsafe defaults are errors", choices=("development", "production")
    )
    secret_key: str = _setting(DEVELOPMENT_SECRET, "Flask's secret key, at least 32 characters")
    api_keys: tuple[str, ...] = _names((), "name:token pairs that may call the API; empty: no authentication")
    log_level: str = _setting("INFO", "lowest level logged", choices=("DEBUG", "INFO", "WARNING", "ERROR"))

    database_url: str = _setting(DEFAULT_DATABASE_URL, "SQLAlchemy URL of PostgreSQL or SQLite")
    database_pool_size: int = _count(10, "maximum number of database connections of one process", limit=MAX_PROCESSES)
    database_timeout_seconds: float = _seconds(2.0, "timeout for a connection, a lock, or a statement", minimum=0.1)
    redis_url: str = _setting(
        DEFAULT_REDIS_URL, "Redis for deduplication, rate limits and the queue; its eviction policy must be noeviction"
    )
    celery_broker_url: str = _setting("", "Celery's broker; default: REDIS_URL")
    cache_redis_url: str = _setting("", "Redis for cached images; default: REDIS_URL")
    redis_timeout_seconds: float = _seconds(0.25, "timeout for Redis within a request", minimum=0.01)

    signals_hmac_enabled: bool = _setting(default=False, meaning="signals must be signed (HMAC-SHA256)", kind="bool")
    signals_hmac_key: str = _setting(
        "", "signing key of producers that have no key of their own, at least 32 characters"
    )
    signals_hmac_keys: tuple[str, ...] = _names((), "producer:key pairs; several per producer during key rotation")
    signals_hmac_legacy: bool = _setting(
        default=False, meaning="also accept X-Signature, which has no timestamp", kind="bool"
    )
    signals_hmac_tolerance_seconds: int = _whole_seconds(
        300, "maximum difference between webhook-timestamp and the server's clock"
    )
    signals_dedup_window_seconds: int = _whole_seconds(
        300, "similar signals closer in time than this are duplicates; 0: off", minimum=0
    )
    signals_dedup_fields: tuple[str, ...] = _names(
        ("instrument", "version", "side"),
        "fields that make two signals within the window duplicates; also: payload.strategy",
    )
    signals_max_payload_bytes: int = _bytes(32_768, "maximum body size of one signal")
    signals_batch_max_bytes: int = _bytes(1_048_576, "maximum body size of a batch")
    signals_batch_max_items: int = _count(100, "maximum number of signals in a batch")
    signals_max_ahead_seconds: int = _whole_seconds(60, "how far a signal's time may be in the future", minimum=0)
    signals_schemas_ttl_seconds: float = _seconds(5.0, "how long a process caches payload schemas")
    signals_rate_limit: str = _setting("", "signals per producer and period, such as 600/minute; empty: no limit")

    bars_max_bytes: int = _bytes(4 * 1024 * 1024, "maximum body size of a bar upload")

    charts_max_body_bytes: int = _bytes(4 * 1024 * 1024, "maximum body size of a chart request")
    charts_max_queue: int = _count(1_000, "queued charts from which on new chart requests are refused with 503")
    charts_max_wait_seconds: float = _seconds(10.0, "maximum wait of a request with Prefer: wait")
    charts_max_attempts: int = _count(3, "render attempts before a chart fails")
    charts_local_ttl_seconds: float = _seconds(5.0, "how long a process caches that an image is ready; 0: not cached")
    charts_lease_seconds: int = _whole_seconds(60, "lease of one render attempt")
    charts_font_dirs: tuple[str, ...] = _names(
        DEFAULT_FONT_DIRS, "folders of fonts for characters that DejaVu Sans lacks; the same in web and worker"
    )
    charts_max_side: int = _count(3_000, "maximum width or height in pixels")
    charts_max_pixels: int = _count(9_000_000, "maximum number of pixels of an image, scale included")
    charts_max_bars: int = _count(20_000, "maximum number of bars in a chart")
    charts_max_overlays: int = _count(12, "maximum number of overlays in a chart", minimum=0)
    charts_max_panels: int = _count(6, "maximum number of panels in a chart", minimum=0)
    charts_max_annotations: int = _count(300, "maximum number of annotations in a chart", minimum=0)
    charts_max_milliseconds: int = _count(4_000, "maximum estimated processor time of a chart")
    charts_signal_bars: int = _count(120, "number of bars in the chart of a signal", minimum=2)
    charts_signal_width: int = _count(1_200, "width of the chart of a signal, in pixels", minimum=64)
    charts_signal_height: int = _count(675, "height of the chart of a signal, in pixels", minimum=64)
    charts_signal_theme: str = _setting(
        "light", "theme of the chart of a signal", choices=("light", "dark", "colorblind")
    )

    media_dir: Path = _path(DEFAULT_MEDIA_DIR, "folder of the images, with subfolders by date")  # noqa: RUF009 - a Path cannot change
    media_url: str = _setting("", "s3://bucket/prefix; stores images there instead of in MEDIA_DIR")
    media_ttl_seconds: int = _whole_seconds(3_600, "TTL of an image in Redis")
    media_cache_bytes: int = _bytes(
        256_000_000, "maximum size of all images in Redis; the oldest are dropped first; 0: no cache", minimum=0
    )
    media_local_ttl_seconds: int = _whole_seconds(60, "TTL of an image in a process's own cache")
    media_local_bytes: int = _bytes(64_000_000, "maximum size of a process's own image cache", minimum=0)
    media_retention_days: int = _count(30, "days that an image is kept on disk", limit=MAX_DAYS)
    media_max_bytes: int = _bytes(50_000_000, "maximum size of one image")
    media_quota_bytes: int = _bytes(0, "maximum size of all images together; 0: no limit", minimum=0)

    events_max_attempts: int = _count(5, "attempts to process an event before it is marked failed")
    events_retention_days: int = _count(7, "days that a dispatched event is kept", limit=MAX_DAYS)
    sweep_interval_seconds: float = _seconds(
        15.0, "interval of the sweep, which wakes workers for due events and charts", minimum=0.1
    )
    cleanup_interval_seconds: float = _seconds(300.0, "interval of the cleanup of media and events", minimum=0.1)

    web_host: str = _setting("127.0.0.1", "address that the web server binds")
    port: int = _port(8_000, "port that the web server binds")
    web_concurrency: int = _count(
        0, "number of web processes; 0: two, or one with SQLite, which has one always", minimum=0, limit=MAX_PROCESSES
    )
    web_threads: int = _count(32, "number of threads of one web process", limit=MAX_PROCESSES)
    web_connections: int = _count(512, "maximum number of open connections of one web process; further ones wait")
    web_head_timeout_seconds: float = _seconds(
        30.0,
        "timeout for the head of a request, and of an idle connection; at most 60",
        minimum=1,
        limit=MAX_HEAD_TIMEOUT_SECONDS,
    )
    web_graceful_timeout_seconds: int = _whole_seconds(
        30, "how long a web process may finish its requests when it stops"
    )
    web_drain_seconds: float = _seconds(0.0, "how long a stopping web server goes on serving while /readyz answers 503")
    trusted_proxies: tuple[str, ...] = _names((), "networks of proxies whose X-Forwarded-For is trusted")
    worker_concurrency: int = _count(2, "number of worker processes", limit=MAX_PROCESSES)
    worker_metrics_host: str = _setting("127.0.0.1", "address that the worker's metrics server binds")
    worker_metrics_port: int = _port(0, "port of the worker's metrics server; 0: off", minimum=0)
    metrics_instruments: tuple[str, ...] = _names(
        (), "instruments with time series of their own; empty: the first that occur"
    )
    metrics_max_instruments: int = _count(50, "maximum number of instruments with time series of their own", minimum=0)
    prometheus_multiproc_dir: str = _setting("", "folder in which the processes of one server share their metrics")
    failpoint: str = _setting(
        "", "for fault tests: point at which a process exits, such as after_commit; an error in production"
    )

    @classmethod
    def from_env(cls) -> Settings:
        """Read all settings. Raises SettingsError with every invalid variable and the reason."""
        env = FileAwareEnv(eager=False, strip_whitespace=True)
        values: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for item in fields(cls):
            try:
                values[item.name] = _read(env, item.name.upper(), item.default, item.metadata["kind"])
            except UnicodeDecodeError:
                problems[item.name.upper()] = f"{item.name.upper()}_FILE: the file is not text in UTF-8"
            except (ValueError, OSError):
                problems[item.name.upper()] = f"{item.name.upper()}_FILE: the file cannot be read"
        problems |= _unreadable(env)
        problems |= _not_text({name: value for name, value in values.items() if name.upper() not in problems})
        readable = {name: value for name, value in values.items() if name.upper() not in problems}
        problems = cls(**readable).problems() | problems
        if problems:
            raise SettingsError(problems)
        return cls(**readable)

    def problems(self) -> dict[str, str]:
        """Values that are out of range, inconsistent, or unsafe in production: reasons by the variable's name."""
        return self._invalid() | (self._unsafe() if self.app_env == "production" else {})

    @property
    def broker_url(self) -> str:
        """Celery's broker URL. For a Unix socket, Kombu wants redis+socket:// and virtual_host."""
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
        """CHARTS_FONT_DIRS as paths."""
        return tuple(map(Path, self.charts_font_dirs))

    @property
    def web_processes(self) -> int:
        """How many web processes to start. With SQLite one: it has one writer at a time."""
        if self.sqlalchemy_url.startswith("sqlite:"):
            return 1
        return self.web_concurrency or DEFAULT_WEB_PROCESSES

    @property
    def sqlalchemy_url(self) -> str:
        """DATABASE_URL with the driver of this project (psycopg) in its scheme."""
        scheme, separator, rest = self.database_url.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        return f"{scheme}{separator}{rest}"

    @property
    def producer_keys(self) -> list[tuple[str, str]]:
        """SIGNALS_HMAC_KEYS as (producer, key) pairs; a producer may have several keys."""
        return [_pair(text) for text in self.signals_hmac_keys]

    @property
    def signals_rate(self) -> tuple[int, int] | None:
        """SIGNALS_RATE_LIMIT as (signals, seconds) of one producer; None: no limit."""
        if not self.signals_rate_limit:
            return None
        count, _, period = self.signals_rate_limit.partition("/")
        return int(count), PERIODS[period]

    def _invalid(self) -> dict[str, str]:
        problems = {
            item.name.upper(): problem
            for item in fields(self)
            if (problem := _range_error(getattr(self, item.name), item.metadata))
        }
        problems |= self._invalid_addresses() | self._invalid_signals()
        if any(not name or len(token) < MIN_KEY_LENGTH for name, token in map(_pair, self.api_keys)):
            problems["API_KEYS"] = f"name:token pairs, each token of at least {MIN_KEY_LENGTH} characters"
        if problem := setting_checks.failpoint(self.failpoint):
            problems["FAILPOINT"] = problem
        if self.worker_metrics_port and not self.prometheus_multiproc_dir:
            problems["PROMETHEUS_MULTIPROC_DIR"] = (
                "required by WORKER_METRICS_PORT: the worker's child processes share their metrics there"
            )
        return problems

    def _invalid_addresses(self) -> dict[str, str]:
        """Problems of URLs, addresses and folders."""
        shared, cache = self.redis_url, self.cache_redis_url
        problems = {
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
        return {name: problem for name, problem in problems.items() if problem}

    def _invalid_signals(self) -> dict[str, str]:
        problems = {}
        shared = len(self.signals_hmac_key)
        if self.signals_hmac_enabled and shared < MIN_KEY_LENGTH and (shared or not self.signals_hmac_keys):
            problems["SIGNALS_HMAC_KEY"] = f"at least {MIN_KEY_LENGTH} characters when signatures are required"
        elif problem := setting_checks.signing_keys([self.signals_hmac_key]):
            problems["SIGNALS_HMAC_KEY"] = problem
        if problem := setting_checks.signing_keys(key for _, key in self.producer_keys):
            problems["SIGNALS_HMAC_KEYS"] = problem
        if any(not _PRODUCER.fullmatch(name) or len(key) < MIN_KEY_LENGTH for name, key in self.producer_keys):
            problems["SIGNALS_HMAC_KEYS"] = f"producer:key pairs, each key of at least {MIN_KEY_LENGTH} characters"
        if self.signals_rate_limit and not _RATE.fullmatch(self.signals_rate_limit):
            problems["SIGNALS_RATE_LIMIT"] = f"a number of signals per {', '.join(PERIODS)}, such as 600/minute"
        if self.media_url and not MEDIA_URL.fullmatch(self.media_url):
            problems["MEDIA_URL"] = "s3://bucket or s3://bucket/prefix"
        allowed = {"instrument", "version", "side", "payload.strategy"}
        if not {"instrument", "version"} <= set(self.signals_dedup_fields) <= allowed:
            problems["SIGNALS_DEDUP_FIELDS"] = "instrument and version, and optionally side and payload.strategy"
        return problems

    def _unsafe(self) -> dict[str, str]:
        refusals = {
            "SECRET_KEY": (len(self.secret_key) < MIN_KEY_LENGTH or self.secret_key == DEVELOPMENT_SECRET)
            and f"a key of your own, at least {MIN_KEY_LENGTH} characters",
            "API_KEYS": not self.api_keys and "at least one: without API keys anybody may call the API",
            "DATABASE_URL": self.database_url == DEFAULT_DATABASE_URL and "a database of your own",
            "REDIS_URL": self.redis_url == DEFAULT_REDIS_URL and "a Redis of your own",
            "LOG_LEVEL": self.log_level == "DEBUG" and "a level above DEBUG, which logs too much",
            "FAILPOINT": self.failpoint and "no failpoint: it ends processes on purpose",
            "SIGNALS_HMAC_KEY": 0 < len(self.signals_hmac_key) < MIN_KEY_LENGTH
            and f"at least {MIN_KEY_LENGTH} characters: a request signed with it needs no API key",
            "TRUSTED_PROXIES": not setting_checks.networks(self.trusted_proxies)
            and setting_checks.cover_everything(self.trusted_proxies)
            and "the networks of your proxies only: with all networks, any client could forge its address",
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
        errors = cast("dict[str, list[str]]", error.error_messages)
        return {name: " ".join(" ".join(map(str, messages)).split()) for name, messages in errors.items()}
    return {}


def _not_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Values that contain bytes outside UTF-8 or control characters: reasons by the variable's name."""
    problems = {}
    for name, value in values.items():
        texts = value if isinstance(value, tuple) else (value,) if isinstance(value, str | Path) else ()
        errors = [error for each in texts if (error := setting_checks.text(str(each)))]
        if errors:
            problems[name.upper()] = errors[0]
    return problems


def _range_error(value: Any, metadata: Any) -> str | None:
    if metadata["choices"] and value not in metadata["choices"]:
        return f"one of {', '.join(metadata['choices'])}"
    if metadata["limits"] is not None:
        minimum, limit = metadata["limits"]
        if value < minimum:
            return f"at least {minimum}"
        if value > limit:
            return f"at most {limit}"
    return None
