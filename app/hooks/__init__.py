"""Doors for senders that cannot set headers: the address holds the key, and the sender's words are translated."""
