"""The OpenAPI document, the blueprint class that describes routes, and the documentation page."""
