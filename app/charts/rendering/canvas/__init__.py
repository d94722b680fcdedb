"""Canvases for pixels and for SVG, with colours, fonts, text and the image encoders."""
