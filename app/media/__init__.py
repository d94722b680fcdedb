"""Files by date on disk, with a Redis cache and an in-process cache in front."""
