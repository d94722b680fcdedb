"""Charts and events as jobs, for operators: `flask jobs` and the metrics of the backlog."""
