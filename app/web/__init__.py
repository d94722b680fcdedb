"""What all routes share: request context, HTTP, OpenAPI, security, operations."""
