"""Builds the web application: hooks of every request in their order, blueprints, commands."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from flask import Flask
from flask_migrate import Migrate

from app import cli
from app.charts.api import routes as charts
from app.charts.api.schemas import document_variant
from app.hooks import routes as hooks
from app.jobs.backlog import BacklogCollector
from app.market import routes as bars
from app.resources import Resources
from app.shared.db import Base
from app.signals.api import routes as signals
from app.startup import MIGRATIONS
from app.web import context
from app.web.http import body, headers, problems
from app.web.http.responses import ExactJson
from app.web.openapi import docs_page
from app.web.operations import routes, thread_budget
from app.web.security import auth, rate_limits
from config import ROOT, Settings


class Application(Flask):
    """No view and no hook here is a coroutine: to look at each of them in each request takes 3 % of a stored signal."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(settings: Settings | None = None, resources: Resources | None = None) -> Flask:
    """The application with these resources; without them, with new ones for these settings or the environment's.

    Opens no connection. Raises SettingsError.
    """
    if resources is None:
        resources = Resources.build(settings or Settings.from_env())
    app = Application("signalbox", root_path=str(ROOT), static_folder=None)
    app.json = ExactJson(app)
    app.extensions[context.EXTENSION] = resources
    _register_hooks(app, resources)
    _register_blueprints(app)
    # Flask-Migrate needs only the metadata; migrations/env.py makes its own engine.
    Migrate(app, SimpleNamespace(metadata=Base.metadata), directory=str(MIGRATIONS))
    cli.register(app)
    return app


def _register_hooks(app: Flask, resources: Resources) -> None:
    """Hooks of every request: before_request in this order, after_request in reverse."""
    app.before_request(context.bind_request_id)
    routes.register(app, resources, BacklogCollector(resources))
    headers.register(app)
    body.register(app)
    auth.register(app, resources.settings.api_keys)
    rate_limits.register(app, resources)
    thread_budget.register(app, resources.settings.web_threads)


def _register_blueprints(app: Flask) -> None:
    app.register_blueprint(docs_page.blueprint)
    api = docs_page.describe(app)
    # After flask-smorest, whose own handler of HTTP errors this replaces.
    problems.register(app)
    api.ma_plugin.converter.add_attribute_function(document_variant)
    api.register_blueprint(signals.blueprint)
    api.register_blueprint(hooks.blueprint)
    api.register_blueprint(bars.blueprint)
    api.register_blueprint(charts.blueprint)
    api.register_blueprint(routes.blueprint)
