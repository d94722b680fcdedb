"""Start: each missing part is reported in one line. Also the commands of `flask --app wsgi`."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.shared.db import Database
from app.startup import UPGRADE, preflight
from config import ROOT, Settings


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of this project with only these environment variables."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


def flask(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("-m", "flask", "--app", "wsgi", *arguments, **environment)


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_database_with_all_tables_is_fit(settings: Settings) -> None:
    with capture_logs() as logged:
        preflight(settings)
    assert logged == []


def test_an_empty_database_is_one_line_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as raised:
        preflight(Settings(database_url=f"sqlite:///{tmp_path}/empty.db"))
    assert str(raised.value).startswith("DATABASE_URL: ")
    assert str(raised.value).endswith(UPGRADE)
    assert "\n" not in str(raised.value)


def test_a_database_of_another_release_is_one_line_that_says_what_to_run(settings: Settings) -> None:
    database = Database(settings.sqlalchemy_url)
    with database.engine.begin() as connection:
        newest = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = 'ancient'"))
    try:
        with pytest.raises(SystemExit, match=UPGRADE):
            preflight(settings)
    finally:
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
        database.dispose()


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:{port}/none", "sqlite:////proc/nowhere/x.db"])
def test_a_database_that_is_not_there_is_one_line(url: str) -> None:
    with pytest.raises(SystemExit) as raised:
        preflight(Settings(database_url=url.format(port=closed_port())))
    assert str(raised.value).startswith("DATABASE_URL: ")
    assert "\n" not in str(raised.value)


def test_a_redis_that_is_not_there_is_a_warning(settings: Settings) -> None:
    with capture_logs() as logged:
        preflight(dataclasses.replace(settings, redis_url=f"redis://127.0.0.1:{closed_port()}/0"))
    assert [line["event"] for line in logged] == ["redis_unavailable"]


def test_wrong_settings_are_one_line_each_and_no_traceback() -> None:
    child = run("-c", "import wsgi", PORT="x", LOG_LEVEL="LOUD")
    assert child.returncode == 1
    assert sorted(line.partition(":")[0] for line in child.stderr.splitlines()) == ["LOG_LEVEL", "PORT"]


@pytest.mark.parametrize(
    "command",
    [
        ("-m", "flask", "--app", "wsgi", "settings"),
        ("-m", "flask", "--app", "wsgi", "db", "upgrade"),
        ("-m", "celery", "-A", "worker.celery_app", "worker"),
        ("-m", "celery", "-A", "worker.celery_app", "beat"),
        ("-c", "import wsgi"),
    ],
)
@pytest.mark.parametrize(
    ("name", "text"),
    [("PORT", "9" * 20), ("DATABASE_URL", "sqlite:///"), ("REDIS_URL", "redis://["), ("SECRET_KEY", "a\udcff" * 40)],
)
def test_every_program_refuses_a_setting_in_one_line(command: tuple[str, ...], name: str, text: str) -> None:
    child = run(*command, **{name: text})
    assert child.returncode == 1
    (line,) = child.stderr.splitlines()
    assert line.startswith(f"{name}: ")


def test_a_signing_key_that_is_not_what_it_says_is_one_line() -> None:
    child = run("-c", "import wsgi", SIGNALS_HMAC_KEY="whsec_" + "*" * 40)
    assert child.returncode == 1
    assert child.stderr == "SIGNALS_HMAC_KEY: what follows whsec_ is not base64\n"


def test_a_folder_that_cannot_be_made_is_one_line_that_names_it() -> None:
    look = "from app.startup import preflight; from config import Settings; preflight(Settings.from_env())"
    child = run("-c", look, DATABASE_URL="sqlite:////proc/nowhere/x.db")
    assert child.returncode == 1
    assert len(child.stderr.splitlines()) == 1
    assert "/proc/nowhere" in child.stderr


def test_the_application_is_made_without_a_connection(tmp_path: Path) -> None:
    port = closed_port()
    child = run(
        "-c",
        "import wsgi; print(wsgi.app.test_client().get('/healthz').status_code)",
        DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none",
        REDIS_URL=f"redis://127.0.0.1:{port}/0",
    )
    assert child.stdout.strip() == "200", child.stderr


def test_a_new_database_is_made_by_flask_db_upgrade(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    child = flask("db", "upgrade", DATABASE_URL=url)
    assert child.returncode == 0, child.stderr
    with capture_logs():
        preflight(Settings(database_url=url))


def test_flask_settings_shows_every_setting() -> None:
    child = flask("settings")
    assert child.returncode == 0, child.stderr
    shown = [line.split()[0] for line in child.stdout.splitlines()]
    assert shown == [field.name.upper() for field in dataclasses.fields(Settings)]
    assert str(ROOT) not in child.stdout


def test_flask_settings_as_markdown_is_a_table() -> None:
    lines = flask("settings", "--markdown").stdout.splitlines()
    assert lines[0] == "| setting | default | meaning |"
    assert {line.count("|") for line in lines} == {4}
    assert "| `PORT` | `8000` | port that the web server binds |" in lines


def test_commands_are_listed_without_loading_what_they_use() -> None:
    code = "import sys; from flask.cli import main; sys.argv = ['flask', '--app', 'wsgi', '--help']\n"
    code += "try: main()\nexcept SystemExit: print('pandas' in sys.modules, 'matplotlib' in sys.modules)"
    child = run("-c", code)
    assert child.stdout.splitlines()[-1] == "False False", child.stderr
    assert {"bars", "settings", "db"} <= {line.split()[0] for line in child.stdout.splitlines() if line.strip()}


def test_a_lazy_group_runs_its_commands() -> None:
    child = flask("bars", "--help")
    assert child.returncode == 0, child.stderr
    assert "import" in child.stdout


def test_the_project_folder_is_not_where_it_is_started_from(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", "import wsgi; print(wsgi.app.test_client().get('/docs').status_code)"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "DATABASE_URL": f"sqlite:///{tmp_path}/x.db", "MEDIA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.stdout.splitlines()[-1] == "200", child.stderr
