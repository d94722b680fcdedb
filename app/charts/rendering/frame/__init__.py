"""What surrounds the plots: header, legend, axes with their ticks, layout, price tags."""
