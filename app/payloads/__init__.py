"""The form a producer gave to the payloads of its signals, version by version."""
