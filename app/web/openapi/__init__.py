"""The OpenAPI document, the blueprint that fills it, and the page that shows it."""
