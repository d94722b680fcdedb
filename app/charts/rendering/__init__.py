"""Spec and data in, image bytes out: pure, no I/O, no global state. The public face is engine.render."""
