"""Health, metrics of requests, draining, and the budget of threads."""
