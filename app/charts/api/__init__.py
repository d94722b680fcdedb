"""Charts over HTTP: routes, request and response schemas, examples."""
