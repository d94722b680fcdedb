"""Health, request metrics, draining, and the thread budget."""
