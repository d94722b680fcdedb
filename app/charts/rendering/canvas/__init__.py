"""Drawing calls on pixels and SVG, with colours, fonts, text and the image writers."""
