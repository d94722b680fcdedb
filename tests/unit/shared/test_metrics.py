"""Metrics of many processes: values are summed, files are reused, and the number of label values is limited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from app.shared.metrics import LimitedLabel
from config import ROOT

COUNT = "from app.shared.metrics import Counter\nCounter('seen', 'Seen').inc()\n"
SHOW = "from app.shared.metrics import exposition\nprint(exposition().decode())\n"


def python(code: str, folder: Path) -> Any:
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_processes_one_after_the_other_count_on_in_the_same_files(tmp_path: Path) -> None:
    for _ in range(3):
        python(COUNT, tmp_path)
    assert len(list(tmp_path.glob("counter_*.db"))) == 1
    assert "seen_total 3.0" in python(SHOW, tmp_path)


def test_processes_at_the_same_time_have_files_of_their_own(tmp_path: Path) -> None:
    code = COUNT + (
        "import subprocess, sys\n"
        "depth = int(sys.argv[1]) if len(sys.argv) > 1 else 2\n"
        "code = open(sys.argv[2]).read()\n"
        "if depth: subprocess.run([sys.executable, '-c', code, str(depth - 1), sys.argv[2]], check=True)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    folder = tmp_path / "metrics"
    python(f"import sys\nsys.argv = ['', '2', {str(script)!r}]\n{code}", folder)
    assert len(list(folder.glob("counter_*.db"))) == 3
    assert "seen_total 3.0" in python(SHOW, folder)


def test_a_forked_child_takes_a_slot_of_its_own(tmp_path: Path) -> None:
    python(
        "import os\nfrom app.shared.metrics import Counter\nseen = Counter('seen', 'Seen')\nseen.inc()\n"
        "child = os.fork()\nseen.inc()\n"
        "if child: os.waitpid(child, 0)\nelse: os._exit(0)\n",
        tmp_path,
    )
    assert len(list(tmp_path.glob("counter_*.db"))) == 2
    assert "seen_total 3.0" in python(SHOW, tmp_path)


def test_a_process_alone_needs_no_folder() -> None:
    child = subprocess.run(
        [sys.executable, "-c", COUNT + SHOW], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True
    )
    assert b"seen_total 1.0" in child.stdout


def test_the_first_values_of_a_limited_label_are_kept_and_the_rest_are_other() -> None:
    label = LimitedLabel(limit=2)
    assert [label(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_only_the_allowed_values_of_a_limited_label_are_kept() -> None:
    label = LimitedLabel(["a"], limit=50)
    assert [label(value) for value in ("b", "a")] == ["other", "a"]


def test_every_file_has_its_room_before_it_is_used_and_when_it_grows(tmp_path: Path) -> None:
    python(
        "from app.shared.metrics import Counter\n"
        "seen = Counter('seen', 'Seen', ['name'])\n"
        "for number in range(2_000): seen.labels(f'name {number}').inc()\n",
        tmp_path,
    )
    (file,) = tmp_path.glob("counter_*.db")
    assert file.stat().st_size > 131_072
    assert file.stat().st_blocks * 512 >= file.stat().st_size


def test_holes_that_an_earlier_release_left_in_a_file_are_filled(tmp_path: Path) -> None:
    sparse = tmp_path / "counter_0.db"
    with sparse.open("wb") as file:
        file.truncate(65_536)
    python(COUNT, tmp_path)
    assert sparse.stat().st_blocks * 512 >= 65_536


def test_a_folder_that_cannot_be_used_leaves_a_process_its_own_metrics(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "seen_total 1.0" in python(COUNT + SHOW, tmp_path / "file" / "metrics")
