"""Refuses to start without a folder for Matplotlib's cache: imported before anything that imports Matplotlib."""

from __future__ import annotations

from app.shared import matplotlib_folder

matplotlib_folder.require()
