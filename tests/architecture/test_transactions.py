"""Edges open transactions. Services and queries work in the session they are given, and never commit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ROOT

APP = ROOT / "app"
MODULES = sorted([*APP.rglob("*.py"), *(ROOT / "worker").rglob("*.py")])
SERVICES = sorted([*APP.rglob("service.py"), *APP.rglob("queries.py"), *APP.rglob("statements.py")])

OPENING = {"transaction", "reading", "execute_raw", "raw_connection"}
"""Methods of Database and of engines that run statements in a transaction of their own."""
FORBIDDEN = OPENING | {
    "begin", "begin_nested", "begin_twophase", "commit", "rollback", "prepare", "close", "connect", "engine",
    "exec_driver_sql", "cursor", "driver_connection", "dbapi_connection", "invalidate", "autocommit", "isolation_level",
}  # fmt: skip
"""Attributes by which a service would end its caller's transaction, or run statements outside of it."""
CONSTRUCTORS = {"Session", "sessionmaker", "scoped_session", "create_engine"}
DRIVERS = {"psycopg", "sqlite3"}
TRANSACTION_STATEMENT = re.compile(
    r"(?:^|;)\s*(END|ABORT|(?i:BEGIN|START\s+TRANSACTION|COMMIT|ROLLBACK|SAVEPOINT\s+\w+|RELEASE(\s+SAVEPOINT)?\s+\w+|"
    r"PREPARE\s+TRANSACTION\s+\S+)(\s+(?i:WORK|TRANSACTION|IMMEDIATE|DEFERRED|EXCLUSIVE|PREPARED|TO|AND|NO|CHAIN|"
    r"SAVEPOINT|ISOLATION|LEVEL|READ|ONLY|WRITE|COMMITTED|SERIALIZABLE)\b.*)?)\s*(;|$)"
)

OWNERS = re.compile(
    r"app/[a-z]+/(api/)?(routes|commands|intake)\.py|"
    r"app/signals/storage/(postgresql|sqlite)\.py|"  # a list of signals is stored by a transaction of its own
    r"app/access/messages\.py|"  # a signed message is bound before its signals are stored
    r"app/web/operations/routes\.py|app/jobs/backlog\.py|"
    r"app/shared/(db|storage_check)\.py|worker/(tasks|cleaning)\.py"
)
STATEMENT_OWNERS = {"app/shared/db.py", "app/shared/engines.py"}
"""Where the text of a statement may begin or end a transaction."""
WITH_DATABASE = {"app/access/service.py"}
"""Services that know Database: this one hands it on to app/access/messages.py."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def attributes(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """Uses of these attributes, called or handed on; getattr with one of these names as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield f"{node.attr}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            constants = [each.value for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id == "getattr" and names.intersection(map(str, constants)):
                yield f"getattr:{node.lineno}"


def transaction_statements(tree: ast.AST) -> Iterator[str]:
    """Texts, docstrings aside, that begin or end a transaction, wherever they are handed to."""
    docstrings = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in docstrings:
            text = node.value if isinstance(node.value, str) else node.value.decode(errors="replace")
            if TRANSACTION_STATEMENT.search(text):
                yield f"{text!r}:{node.lineno}"


def constructions(tree: ast.AST) -> Iterator[str]:
    """Calls that make a session or an engine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CONSTRUCTORS:
            yield f"{node.func.id}:{node.lineno}"


def imports(tree: ast.AST) -> set[str]:
    """Names that are imported from modules, and modules."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names} | {node.module or ""}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def violations(tree: ast.AST) -> list[str]:
    """Why a service would not stay inside the session that it is given."""
    drivers = sorted(imports(tree) & DRIVERS)
    return [*attributes(tree, FORBIDDEN), *transaction_statements(tree), *constructions(tree), *drivers]


def test_there_are_services_to_look_at() -> None:
    names = {name_of(path) for path in SERVICES}
    assert names >= {"app/signals/queries.py", "app/charts/service.py", "app/charts/statements.py"}


@pytest.mark.parametrize("path", SERVICES, ids=name_of)
def test_a_service_stays_inside_the_session_it_is_given(path: Path) -> None:
    assert violations(tree_of(path)) == []


def test_services_do_not_know_the_database() -> None:
    assert {name_of(path) for path in SERVICES if "Database" in imports(tree_of(path))} <= WITH_DATABASE


@pytest.mark.parametrize(
    "source",
    [
        "session.commit()",
        "session.rollback()",
        "with session.begin_nested(): pass",
        "with database.transaction() as session: pass",
        "with database.reading() as session: pass",
        "database.execute_raw('INSERT INTO signals VALUES ($1)', [1])",
        "run = database.execute_raw",
        "getattr(session, 'commit')()",
        "session.execute(text('COMMIT'))",
        "session.execute(text('commit work;'))",
        "session.execute(text('SELECT 1; ROLLBACK'))",
        "session.connection().execute(text('SAVEPOINT here'))",
        "session.execute(text('ROLLBACK TO SAVEPOINT here'))",
        "session.execute(text('BEGIN IMMEDIATE'))",
        "END = 'START TRANSACTION READ ONLY'",
        "session.connection().exec_driver_sql('UPDATE signals SET side = 1')",
        "session.connection().connection.driver_connection.cursor().execute('UPDATE signals SET side = 1')",
        "with Session(bind) as own: pass",
        "with session.get_bind().engine.connect() as connection: pass",
        "import psycopg",
        "create_engine(url)",
    ],
)
def test_every_way_out_of_the_session_is_seen(source: str) -> None:
    assert violations(ast.parse(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "session.execute(select(Signal)).first()",
        "session.execute(text('SELECT * FROM begins WHERE rollback_id = 1'))",
        "session.get_bind().dialect.name",
        "raise Unavailable('the release of a lock; commit later')",
        "session.flush()",
        "def f():\n    'COMMIT'",
    ],
)
def test_what_stays_inside_the_session_is_left_alone(source: str) -> None:
    assert violations(ast.parse(source)) == []


def test_transactions_are_opened_at_the_edges_only() -> None:
    opened = {name_of(path) for path in MODULES if list(attributes(tree_of(path), OPENING))}
    assert {name for name in opened if not OWNERS.fullmatch(name)} == set()
    assert opened >= {"app/signals/api/routes.py", "app/signals/storage/postgresql.py", "app/signals/storage/sqlite.py"}


def test_only_the_engines_write_statements_that_begin_or_end_a_transaction() -> None:
    writing = {name_of(path) for path in MODULES if list(transaction_statements(tree_of(path)))}
    assert writing - STATEMENT_OWNERS == set()
    assert "app/shared/engines.py" in writing
