"""The event log and transactional outbox: events are appended in the transaction of the fact that they report."""
