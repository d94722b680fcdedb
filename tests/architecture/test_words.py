"""Names are the field's terms. The private words that this project once used for things do not come back."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import app.access.models
import app.charts.models
import app.events.models
import app.hooks.models
import app.market.models
import app.payloads.models
import app.signals.models  # noqa: F401 - each import adds its tables to Base
from app.shared.db import Base
from config import ROOT

SOURCES: Final = ("app", "worker", "launcher", "tools", "benchmarks", "tests", "migrations", "examples")
FILES: Final = sorted(
    path for folder in SOURCES for path in (ROOT / folder).rglob("*.py") if path.name != Path(__file__).name
)
FILES_OF_SERVICE: Final = [path for path in FILES if path.relative_to(ROOT).parts[0] in {"app", "worker", "launcher"}]

OUT_ANYWHERE: Final = {
    "told": "what it is, such as message, item or signal",
    "held": "resources, claim or lease",
    "wanted": "what it is, such as chart_id, filters or keys",
    "asked": "request",
    "misfit": "error",
    "misfits": "errors",
    "doors": "http_intake",
    "combiner": "GroupCommit",
    "arrivals": "notifications",
    "upkeep": "retention",
    "longest": "max_...",
    "deepest": "max_depth",
    "patient": "wait_for_lock",
}
"""Words out of use wherever they stand in a name: between underscores, or between capitals."""
OUT_AS_A_WHOLE: Final = {
    "answer": "response",
    "answers": "responses",
    "at_once": "execute_raw",
    "bulk": "storage",
    "differs": "diff_fields",
    "few": "MAX_...",
    "fresh": "queued_values",
    "let_go": "RELEASED_VALUES",
    "look_seconds": "poll_interval_seconds",
    "most": "limit",
    "piece": "chunk",
    "pieces": "chunks",
    "taken": "what it is, such as keys or chart_id",
    "trip": "round_trip",
    "turns": "FifoLock",
}
"""Names out of use for functions, classes, constants and fields. In a longer name they may be the right word."""
NAMES_IN_JSON: Final = {"differs"}
"""Names that the fields of a JSON document have in public."""

IDENTIFIER: Final = re.compile(r"`+([A-Za-z_][\w.]*)`+")
"""A name in a docstring stands in backquotes."""


def words_of(name: str) -> list[str]:
    """`LONGEST_TEXT` and `longestText` are made of the same words."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")


def refused(name: str, *, defined: bool) -> str | None:
    """The name and what to write instead if the name is out of use, otherwise None."""
    words = words_of(name)
    for word in words:
        if word in OUT_ANYWHERE:
            return f"{name}: write {OUT_ANYWHERE[word]}"
    whole = "_".join(words)
    return f"{name}: write {OUT_AS_A_WHOLE[whole]}" if defined and whole in OUT_AS_A_WHOLE else None


def names_of(tree: ast.Module) -> Iterator[tuple[str, bool, int]]:
    """Each name, whether it is defined here for others (function, class, constant, field), and its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            # The name of a test is a sentence.
            if not node.name.startswith("test_"):
                yield node.name, True, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, False, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.id.isupper(), node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, False, node.lineno
        if isinstance(node, ast.ClassDef):
            yield from fields_of(node)


def fields_of(node: ast.ClassDef) -> Iterator[tuple[str, bool, int]]:
    """The fields of a dataclass, a schema or a table, and the members of an enumeration."""
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id not in NAMES_IN_JSON:
                yield target.id, True, target.lineno


def names_in_docstrings(tree: ast.Module) -> Iterator[tuple[str, bool, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for name in IDENTIFIER.findall(ast.get_docstring(node) or ""):
                yield from ((part, False, node.body[0].lineno) for part in name.split("."))


def path_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", ["told", "MOST", "LONGEST_TEXT", "Turns", "_held_by", "PIECES", "wantedAt", "let_go"])
def test_a_private_word_is_found_in_every_spelling(name: str) -> None:
    assert refused(name, defined=True)


@pytest.mark.parametrize("name", ["lines", "answer", "most", "strongest", "withheld", "returns", "stolen"])
def test_a_plain_word_in_a_variable_is_none_of_them(name: str) -> None:
    assert refused(name, defined=False) is None


@pytest.mark.parametrize("path", FILES, ids=path_of)
def test_names_are_the_terms_of_the_field(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = [*names_of(tree), *names_in_docstrings(tree)]
    errors = [f"line {line}: {why}" for name, defined, line in names if (why := refused(name, defined=defined))]
    assert not errors, "these names are out of use:\n" + "\n".join(errors)


def test_columns_have_names_of_the_field() -> None:
    tables = Base.metadata.tables
    assert len(tables) > 5
    names = [*tables, *(column.name for table in tables.values() for column in table.columns)]
    assert [why for name in names if (why := refused(name, defined=True))] == []


def test_no_two_types_share_a_name() -> None:
    places = defaultdict(list)
    for path in FILES_OF_SERVICE:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path_of(path))
    shared = {name: where for name, where in places.items() if len(where) > 1}
    assert not shared, f"one name for several types: {shared}"
