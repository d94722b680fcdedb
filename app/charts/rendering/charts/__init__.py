"""The chart types, each drawn from a frame and layers, and their alternative texts."""
