"""The surroundings of plots: header, legend, axes with their ticks, layout, price tags."""
