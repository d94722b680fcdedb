"""The chart engine: turns a ChartSpec into image bytes. It does no I/O; its entry point is engine.render."""
