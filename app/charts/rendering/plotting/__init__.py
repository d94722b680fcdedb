"""What a plot is made of: scales, themes, sizes, number formats, the bars and their time slots."""
