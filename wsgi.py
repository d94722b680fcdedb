"""The application for web servers and for `flask --app wsgi`. Wrong settings are reported in one line each."""

from __future__ import annotations

from app.factory import create_app
from app.shared import logs
from config import Settings, SettingsError

try:
    settings = Settings.from_env()
    logs.configure(settings.log_level)
    app = create_app(settings)
except SettingsError as error:
    raise SystemExit(str(error)) from None
