"""Addresses for senders that cannot set headers: the address is the key, and the sender's fields are mapped."""
