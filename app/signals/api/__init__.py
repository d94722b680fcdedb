"""Signals over HTTP: routes, request and response schemas, exports, examples."""
