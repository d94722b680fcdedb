"""The chart types, each composed of a frame and layers, and the words that describe them."""
