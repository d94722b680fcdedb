"""The watchdog over slow bodies: it ends what is overdue and nothing else."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.web import slow_bodies
from app.web.slow_bodies import Watchdog


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(slow_bodies, "LOOK_SECONDS", 0.02)
    near, far = socket.socketpair()
    near.settimeout(5)
    yield near, far
    near.close()
    far.close()


def test_a_read_that_takes_too_long_finds_the_end(pair: Any) -> None:
    near, _ = pair
    began = time.monotonic()
    with Watchdog().watching(near, 0.1):
        assert near.recv(1) == b""
    assert 0.05 < time.monotonic() - began < 2


def test_a_drip_does_not_begin_the_time_anew(pair: Any) -> None:
    near, far = pair
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.01):
            far.send(b".")

    dripping = threading.Thread(target=drip)
    dripping.start()
    began = time.monotonic()
    with Watchdog().watching(near, 0.2):
        while near.recv(1):
            assert time.monotonic() - began < 3
    stop.set()
    dripping.join()


def test_what_was_cut_off_can_still_be_answered(pair: Any) -> None:
    near, far = pair
    with Watchdog().watching(near, 0.01):
        near.recv(1)
    near.sendall(b"answer")
    assert far.recv(6) == b"answer"


def test_a_body_in_time_is_left_alone(pair: Any) -> None:
    near, far = pair
    with Watchdog().watching(near, 0.1):
        pass
    time.sleep(0.2)
    far.send(b"next")
    assert near.recv(4) == b"next"


def test_a_forked_child_watches_too(pair: Any) -> None:
    near, _ = pair
    watchdog = Watchdog()
    with watchdog.watching(near, 5):
        child = os.fork()
        if child == 0:
            with watchdog.watching(near, 0.1):
                os._exit(0 if near.recv(1) == b"" else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_larger_body_may_take_longer() -> None:
    assert slow_bodies.seconds_for(0) == slow_bodies.GRACE_SECONDS
    assert slow_bodies.seconds_for(4 * 2**20) > 60
