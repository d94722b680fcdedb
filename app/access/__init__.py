"""Producers, their keys and rate limits."""
