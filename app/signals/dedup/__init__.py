"""Deduplication before the database: Redis claims and the cache of recent duplicates."""
