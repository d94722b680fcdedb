"""HTTP requests and responses: bodies, JSON, paging, headers, problem documents."""
