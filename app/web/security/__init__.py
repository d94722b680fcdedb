"""Authentication, client addresses and rate limits."""
