"""What happened: append-only, written in the transaction of the fact; the outbox."""
