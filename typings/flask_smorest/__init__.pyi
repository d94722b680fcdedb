# Types of what this project uses of flask-smorest, which has none.

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias, TypeVar

import flask
from apispec import APISpec
from marshmallow import Schema
from webargs.flaskparser import FlaskParser

_View = TypeVar("_View", bound=Callable[..., Any])
_Decorator: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
_Schema: TypeAlias = Schema | type[Schema]
_Documented: TypeAlias = _Schema | Mapping[str, Any] | str

class Blueprint(flask.Blueprint):
    ARGUMENTS_PARSER: ClassVar[FlaskParser]
    def __init__(
        self, name: str, import_name: str, *, description: str = ..., url_prefix: str | None = ...
    ) -> None: ...
    def route(
        self, rule: str, *, parameters: list[Any] | None = ..., tags: list[str] | None = ..., **options: Any
    ) -> Callable[[_View], _View]: ...
    def arguments(self, schema: _Schema, *, location: str = ..., **options: Any) -> _Decorator: ...
    def response(
        self,
        status_code: int,
        schema: _Documented | None = ...,
        *,
        content_type: str | None = ...,
        description: str | None = ...,
        example: Any = ...,
        examples: Any = ...,
        headers: Mapping[str, Any] | None = ...,
    ) -> _Decorator: ...
    def alt_response(
        self,
        status_code: int,
        response: str | None = ...,
        *,
        schema: _Documented | None = ...,
        content_type: str | None = ...,
        description: str | None = ...,
        example: Any = ...,
        examples: Any = ...,
        headers: Mapping[str, Any] | None = ...,
        success: bool = ...,
    ) -> _Decorator: ...
    @staticmethod
    def doc(**description: Any) -> _Decorator: ...

class Api:
    DEFAULT_ERROR_RESPONSE_NAME: ClassVar[str]
    ERROR_SCHEMA: ClassVar[_Schema]
    spec: APISpec
    ma_plugin: Any
    def __init__(self, app: flask.Flask | None = ..., *, spec_kwargs: Mapping[str, Any] | None = ...) -> None: ...
    def register_blueprint(self, blp: Blueprint, **options: Any) -> None: ...
