"""Files and folders of the launcher. It writes under `var` alone, which may be deleted while nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
VENV: Final = ROOT / ".venv"
PROCFILE: Final = ROOT / "Procfile"
SAMPLES: Final = ROOT / "examples" / "data"
VAR: Final = ROOT / "var"
LOGS: Final = VAR / "log"
METRICS: Final = VAR / "metrics"
PIDS: Final = VAR / "pids"
REDIS: Final = VAR / "redis"
RUN_LOCK: Final = VAR / "run.lock"
CADDYFILE: Final = ROOT / "ops" / "caddy" / "Caddyfile"
PROXY: Final = VAR / "proxy"
