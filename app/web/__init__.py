"""The Flask glue that routes share: context, authentication, problems, paging, operations."""
