"""Stores signals with their events in one transaction, on PostgreSQL and on SQLite."""
