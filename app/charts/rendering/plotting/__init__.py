"""The parts of a plot: scales, themes, sizes, number formats, bars and their time slots."""
