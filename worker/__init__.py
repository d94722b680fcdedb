"""The Celery side: app, schedule, subscriptions and tasks. It imports app; app never imports it."""
