"""Checks the folder of Matplotlib's cache on import. Must be imported before anything that imports Matplotlib."""

from __future__ import annotations

from app.shared import matplotlib_folder

matplotlib_folder.require()
