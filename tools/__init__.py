"""Commands for developers: the gallery, the golden images and the contact sheet. Not part of the service."""
