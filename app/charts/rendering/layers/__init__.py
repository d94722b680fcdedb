"""The contents of plots: the main series, overlays, panels, annotations and their labels."""
