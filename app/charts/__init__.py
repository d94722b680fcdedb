"""Charts: requested as specs, queued and drawn by workers, stored as images until they expire."""
