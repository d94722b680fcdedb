"""The Celery worker: app, schedule, event handlers and tasks. It imports `app`; `app` never imports it."""
