"""Rules of the house that a linter cannot know, read from the syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ROOT

APP = ROOT / "app"
MODULES = sorted([*APP.rglob("*.py"), *(ROOT / "worker").rglob("*.py")])
MAX_FUNCTION_LINES = 50
MAX_MODULE_LINES = 400


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def called_attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node.lineno


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_a_package_holds_a_docstring_and_nothing_else(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring, "a module starts with what lives here and why here"


def test_blueprints_are_mounted_by_the_factory_alone() -> None:
    mounted = {
        name_of(path)
        for path in MODULES
        for name, _ in called_attributes(tree_of(path))
        if name == "register_blueprint"
    }
    assert mounted == {"app/factory.py"}


def test_no_route_reads_a_body_past_its_limits() -> None:
    """request.get_json, .data and .form know neither the cap nor strict JSON: bodies come from app.web.body."""
    past = {"get_json", "get_data", "json", "data", "form", "files"}
    found = [
        (name_of(path), node.attr, node.lineno)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and node.attr in past
        and isinstance(node.value, ast.Name)
        and node.value.id == "request"
    ]
    assert found == []


def test_functions_and_modules_stay_short() -> None:
    long_functions = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION_LINES
    ]
    long_modules = [name_of(path) for path in MODULES if len(path.read_text().splitlines()) > MAX_MODULE_LINES]
    assert long_functions == []
    assert long_modules == []
