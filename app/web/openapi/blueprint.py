"""The blueprint of every slice: flask-smorest's, with this service's reader of bodies and of query parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, cast

import flask_smorest
import marshmallow
from flask import Request
from webargs.flaskparser import FlaskParser

from app.shared.errors import ValidationFailed
from app.shared.field_errors import field_errors
from app.web.context import resources
from app.web.http.body import read_json

DEFAULT_BODY_LIMIT: Final = "signals_max_payload_bytes"


class Parser(FlaskParser):
    """Reads bodies as strict JSON, reports errors as problems, refuses unknown query parameters.

    A schema may have an attribute `body_limit`: the name of the setting that limits the bytes of its body.
    """

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - the type is webargs'
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": marshmallow.RAISE,
        "querystring": marshmallow.RAISE,
    }

    def load_json(self, _req: Request, schema: marshmallow.Schema) -> Any:
        limit_setting = getattr(schema, "body_limit", DEFAULT_BODY_LIMIT)
        return read_json(getattr(resources().settings, limit_setting))

    def handle_error(self, error: marshmallow.ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        # Webargs puts all messages under the name of the location.
        by_location = cast("dict[str, Any]", error.messages)
        errors = [each for messages in by_location.values() for each in field_errors(messages)]
        raise ValidationFailed(errors) from error


class Blueprint(flask_smorest.Blueprint):
    """flask-smorest's blueprint with the parser above, and with bodies that a view reads by itself."""

    ARGUMENTS_PARSER = Parser()

    def body(self, schema: Any, *, example: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Describe a body that the view reads by itself, in its own order of checks. Nothing is parsed here."""
        content = {"application/json": {"schema": schema, "example": example}}
        return self.doc(requestBody={"required": True, "content": content})
