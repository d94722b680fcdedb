"""What lies inside the plots: the main series, overlays, panels, annotations and their labels."""
