"""The floor: a minimal Flask application that stores a signal by a Redis SET NX and an INSERT, without checks."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import Any
from uuid import uuid4

import psycopg
from flask import Flask, request
from redis import Redis

TABLE = "CREATE TABLE IF NOT EXISTS floor (id TEXT PRIMARY KEY, external_id TEXT NOT NULL, body TEXT NOT NULL)"

database = os.environ["FLOOR_DATABASE"]
redis = Redis.from_url(os.environ["FLOOR_REDIS"])
app = Flask(__name__)
local = threading.local()


def connection() -> Any:
    """The connection of this thread, in autocommit: a pool would cost more."""
    if not hasattr(local, "connection"):
        local.connection = connect()
    return local.connection


def connect() -> Any:
    if database.startswith("postgresql://"):
        return psycopg.connect(database, autocommit=True)
    new = sqlite3.connect(database, timeout=5, isolation_level=None)
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"):
        new.execute(f"PRAGMA {pragma}")
    return new


INSERT = {True: "INSERT INTO floor VALUES (%s, %s, %s)", False: "INSERT INTO floor VALUES (?, ?, ?)"}[
    database.startswith("postgresql://")
]


@app.post("/signals")
def store() -> tuple[dict[str, str], int]:
    external_id = request.get_json()["external_id"]
    if not redis.set(f"floor:{external_id}", 1, nx=True, px=300_000):
        return {"error": "duplicate"}, 409
    stored = uuid4().hex
    connection().execute(INSERT, (stored, external_id, request.get_data(as_text=True)))
    return {"id": stored}, 201


@app.get("/healthz")
def healthz() -> str:
    connection().execute(TABLE)
    return "ok"
