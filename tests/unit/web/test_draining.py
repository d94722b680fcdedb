from __future__ import annotations

import subprocess
import sys

from config import ROOT

FORKED = """
import os, sys
from app.web.operations import draining
child_hears, parent_tells = os.pipe()
parent_hears, child_tells = os.pipe()
child = os.fork()
if not child:
    before = draining.has_begun()
    os.write(child_tells, b"x")
    os.read(child_hears, 1)
    os._exit(0 if (before, draining.has_begun()) == (False, True) else 1)
os.read(parent_hears, 1)
draining.begin()
os.write(parent_tells, b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if draining.has_begun() else 2)
"""


def test_forked_children_see_the_flag_that_the_parent_sets() -> None:
    child = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, capture_output=True, check=False)
    assert child.returncode == 0, child.stderr.decode()
