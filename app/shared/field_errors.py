"""Flattens marshmallow's nested error messages into a list with a JSON pointer (RFC 6901) to each wrong value.

Plain Python: the API, the worker and the command line report errors of schemas by the same rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from app.shared.errors import FieldError, json_pointer


def field_errors(messages: Any, *, dict_fields: Collection[str] = ()) -> list[FieldError]:
    """One FieldError per message of a marshmallow ValidationError.

    `dict_fields` are the pointers of the schema's `fields.Dict`: marshmallow puts their messages under one more level,
    `key` or `value`, which is no part of the data.
    """
    return list(_walk(messages, "", dict_fields))


def _walk(messages: Any, pointer: str, dict_fields: Collection[str]) -> Iterator[FieldError]:
    if isinstance(messages, Mapping):
        in_dict = pointer.rpartition("/")[0] in dict_fields
        for name, inner in messages.items():
            is_wrapper = name == "_schema" or (in_dict and name in {"key", "value"})
            yield from _walk(inner, pointer if is_wrapper else pointer + json_pointer(name), dict_fields)
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _walk(inner, pointer, dict_fields)
    else:
        yield FieldError(pointer, str(messages))
