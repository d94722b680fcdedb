"""Which picture is wanted, and whether it exists."""
