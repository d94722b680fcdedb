"""The blueprint of every slice: what a schema says is both what is taken and what is documented. Typed."""

from __future__ import annotations

import http
from collections.abc import Callable
from copy import deepcopy
from functools import wraps
from typing import Any, Final, NoReturn, TypeVar, cast

import flask_smorest
import marshmallow
from flask import Request
from webargs.flaskparser import FlaskParser

from app.shared.errors import ValidationFailed
from app.shared.field_errors import field_errors
from app.web.context import resources
from app.web.http.body import read_json

View = TypeVar("View", bound=Callable[..., Any])
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

DEFAULT_BODY_LIMIT: Final = "signals_max_payload_bytes"


class Parser(FlaskParser):
    """Webargs over the service's own body reader and problems; unknown query parameters are refused.

    A schema may name the setting that limits its body in an attribute `body_limit`.
    """

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - the type is webargs'
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": marshmallow.RAISE,
        "querystring": marshmallow.RAISE,
    }

    def load_json(self, _req: Request, schema: marshmallow.Schema) -> Any:
        name = getattr(schema, "body_limit", DEFAULT_BODY_LIMIT)
        return read_json(getattr(resources().settings, name))

    def handle_error(self, error: marshmallow.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        # Webargs puts all messages under the name of the location.
        messages = cast("dict[str, Any]", error.messages)
        raise ValidationFailed([error for inner in messages.values() for error in field_errors(inner)]) from error


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's blueprint with our parser, typed decorators, and bodies that a view reads itself."""

    ARGUMENTS_PARSER = Parser()

    def route(self, rule: str, **options: Any) -> Callable[[View], View]:
        decorator: Callable[[View], View] = super().route(rule, **options)
        return decorator

    def arguments(self, schema: Any, *, location: str = "json", **options: Any) -> Decorator:
        """Parse and document; the view gets the loaded value as its next positional argument."""
        decorator: Decorator = super().arguments(schema, location=location, **options)
        return decorator

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Decorator:
        decorator: Decorator = super().response(status_code, schema, **options)
        return decorator

    def alt_response(self, status_code: int, response: str | None = None, **options: Any) -> Decorator:
        decorator: Decorator = super().alt_response(status_code, response, **options)
        return decorator

    def doc(self, **options: Any) -> Decorator:
        decorator: Decorator = super().doc(**options)
        return decorator

    def body(
        self, schema: Any, *, example: Any = None, content_type: str = "application/json", description: str = ""
    ) -> Decorator:
        """Document a body without reading it: the view does, in its own order of checks."""
        parameter = {"in": "json", "required": True, "schema": schema, "content_type": content_type}
        if example is not None:
            parameter["example"] = example
        if description:
            parameter["description"] = description

        def decorator(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(view)
            def documented(*args: Any, **kwargs: Any) -> Any:
                return view(*args, **kwargs)

            documented._apidoc = deepcopy(getattr(view, "_apidoc", {}))  # type: ignore[attr-defined]  # noqa: SLF001
            arguments = documented._apidoc.setdefault("arguments", {})  # type: ignore[attr-defined]  # noqa: SLF001
            arguments.setdefault("parameters", []).append(parameter)
            refused = http.HTTPStatus.UNPROCESSABLE_ENTITY
            arguments.setdefault("responses", {})[refused.value] = refused.name
            return documented

        return decorator
