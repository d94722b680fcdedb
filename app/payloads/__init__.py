"""JSON schemas that validate the payloads of signals, by producer and version."""
