"""Price bars: stored by instrument and timeframe, read by range."""
