"""Signals from producers: received, deduplicated, stored once, queried and exported."""
