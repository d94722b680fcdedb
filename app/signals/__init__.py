"""What a producer told us, stored once."""
