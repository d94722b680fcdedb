"""Runs the commands of the README in one shell, against a real server and worker."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from config import ROOT, Settings
from tests import processes

KEY = "a-key-for-the-test-of-the-readme-page"
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)

pytestmark = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="the README's examples use curl and openssl"
)


@pytest.fixture
def output(redis_url: str, sqlite_url: str, tmp_path: Path) -> str:
    """The output of all curl commands, one after the other."""
    settings = Settings(
        database_url=sqlite_url,
        redis_url=redis_url,
        media_dir=tmp_path / "media",
        signals_hmac_key=KEY,
        web_concurrency=1,
        worker_concurrency=1,
        redis_timeout_seconds=2,
        database_timeout_seconds=10,
        charts_max_wait_seconds=20,
    )
    with processes.web(settings, tmp_path) as address, processes.worker(settings, tmp_path):
        script = "\n".join(block for block in BLOCKS if "curl" in block or "export" in block)
        assert script.count("curl") == 4
        script = script.replace("http://127.0.0.1:8000", address).replace("wait=5", "wait=20")
        ran = subprocess.run(
            ["sh", "-eu", "-c", script],
            env=processes.environment(replace(settings)),
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout.decode()


def test_the_requests_of_the_readme_work_as_described(output):
    assert '{"inserted":2,"updated":0}' in output
    assert output.count("201 CREATED") + output.count("201 Created") == 2
    assert '"signed":true' in output
    assert '"status":"ready"' in output


def test_the_readme_names_the_two_commands():
    assert "./run\n" in BLOCKS
    assert "./test\n" in BLOCKS


def test_every_link_in_the_documents_leads_to_a_file():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
