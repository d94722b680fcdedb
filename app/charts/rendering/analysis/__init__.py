"""Calculations on arrays of bars: indicators, rolling sums, volume profile, transforms. No drawing."""
