"""Builds the web application: the one place that knows all blueprints and in which order requests meet the glue."""

from __future__ import annotations

from types import SimpleNamespace

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
from app.web.application import Application
from app.web.http import body, headers, problems
from app.web.http.responses import ExactJson
from app.web.openapi import docs_page
from app.web.operations import routes, thread_budget
from app.web.security import auth, rate_limits
from config import ROOT, Settings


def create_app(settings: Settings | None = None, resources: Resources | None = None) -> Flask:
    """The application over these resources, or over new ones for these settings, or for the environment's.

    Connects to nothing. Raises SettingsError.
    """
    if resources is None:
        resources = Resources.build(settings or Settings.from_env())
    app = Application("signalbox", root_path=str(ROOT), static_folder=None)
    app.config["SECRET_KEY"] = resources.settings.secret_key
    app.json = ExactJson(app)
    app.extensions[context.EXTENSION] = resources
    _glue(app, resources)
    _mount(app)
    # Flask-Migrate asks its database object for nothing but the metadata; migrations/env.py takes the engine from ours.
    Migrate(app, SimpleNamespace(metadata=Base.metadata), directory=str(MIGRATIONS))
    cli.register(app)
    return app


def _glue(app: Flask, resources: Resources) -> None:
    """What every request passes, first to last on the way in, last to first on the way out."""
    app.before_request(context.bind_request_id)
    routes.measure(app, resources, BacklogCollector(resources))
    headers.register(app)
    body.register(app)
    auth.register(app, resources.settings.api_keys)
    rate_limits.register(app, resources)
    thread_budget.register(app, resources.settings.web_threads)


def _mount(app: Flask) -> None:
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
