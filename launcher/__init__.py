"""Servers and the launcher behind ./run: what a machine with nothing but Python needs."""
