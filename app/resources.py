"""Resources of a process: database, Redis, media, queue, clock. Built once and passed as an argument, never global."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from app.media.cache import MediaCache
from app.media.stores import Store, open_store
from app.shared import failpoints
from app.shared.clock import Clock, utc_now
from app.shared.db import Database
from app.shared.queue import Queue, producer
from app.shared.redis_client import connect
from config import Settings


@dataclass(frozen=True)
class Resources:
    settings: Settings
    database: Database
    redis: Redis
    store: Store
    cache: MediaCache
    queue: Queue
    clock: Clock = utc_now

    @classmethod
    def build(cls, settings: Settings) -> Resources:
        """Build all parts. Each connects on its first use."""
        failpoints.arm(settings.failpoint)
        store = open_store(settings.media_url, settings.media_dir, max_bytes=settings.media_max_bytes)
        return cls(
            settings=settings,
            database=Database(
                settings.sqlalchemy_url,
                pool_size=settings.database_pool_size,
                timeout_seconds=settings.database_timeout_seconds,
            ),
            redis=connect(settings.redis_url, settings.redis_timeout_seconds),
            store=store,
            cache=MediaCache(
                store,
                connect(settings.cache_url, settings.redis_timeout_seconds),
                ttl_seconds=settings.media_ttl_seconds,
                shared_bytes=settings.media_cache_bytes,
                local_bytes=settings.media_local_bytes,
                local_ttl_seconds=settings.media_local_ttl_seconds,
            ),
            queue=Queue(producer(settings.broker_url)),
        )

    def close(self) -> None:
        self.database.dispose()
        self.redis.close()
