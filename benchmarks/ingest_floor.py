"""The floor: the least a Flask handler can do to keep a signal. One Redis SET NX, one INSERT, and nothing checked."""

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
kept = threading.local()


def connection() -> Any:
    """This thread's own, in autocommit: a pool would cost more."""
    if not hasattr(kept, "connection"):
        kept.connection = connect()
    return kept.connection


def connect() -> Any:
    if database.startswith("postgresql://"):
        return psycopg.connect(database, autocommit=True)
    opened = sqlite3.connect(database, timeout=5, isolation_level=None)
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL"):
        opened.execute(f"PRAGMA {pragma}")
    return opened


INSERT = {True: "INSERT INTO floor VALUES (%s, %s, %s)", False: "INSERT INTO floor VALUES (?, ?, ?)"}[
    database.startswith("postgresql://")
]


@app.post("/signals")
def store() -> tuple[dict[str, str], int]:
    external_id = request.get_json()["external_id"]
    if not redis.set(f"floor:{external_id}", 1, nx=True, px=300_000):
        return {"error": "known"}, 409
    stored = uuid4().hex
    connection().execute(INSERT, (stored, external_id, request.get_data(as_text=True)))
    return {"id": stored}, 201


@app.get("/healthz")
def healthz() -> str:
    connection().execute(TABLE)
    return "ok"
