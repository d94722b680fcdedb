from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask, Response

from app.shared.errors import Unavailable
from app.web.operations import thread_budget


@pytest.fixture
def app() -> Iterator[Flask]:
    app = Flask(__name__)
    thread_budget.register(app, threads=8)
    with app.app_context():
        yield app


def granted() -> int:
    """How many slots are free."""
    with ExitStack() as stack:
        count = 0
        while stack.enter_context(thread_budget.slot()):
            count += 1
        return count


def test_long_requests_may_use_a_quarter_of_the_threads(app: Flask) -> None:
    assert granted() == 2


@pytest.mark.parametrize("threads", [1, 3, 4, 7])
def test_the_budget_has_at_least_one_slot(app: Flask, threads: int) -> None:
    thread_budget.register(app, threads=threads)
    assert granted() == 1


def test_a_slot_is_free_again_after_its_block(app: Flask) -> None:
    with pytest.raises(ZeroDivisionError), thread_budget.slot():
        assert granted() == 1
        raise ZeroDivisionError
    assert granted() == 2


def test_a_response_releases_its_slot_once_when_it_is_closed(app: Flask) -> None:
    response = thread_budget.within_budget(lambda: Response(iter([b"x"])))
    assert granted() == 1
    response.close()
    response.close()
    assert granted() == 2


def test_an_error_in_making_a_response_releases_its_slot(app: Flask) -> None:
    def fail() -> Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        thread_budget.within_budget(fail)
    assert granted() == 2


def test_without_a_free_slot_the_response_has_retry_after(app: Flask) -> None:
    for _ in range(2):
        thread_budget.within_budget(Response)
    with pytest.raises(Unavailable) as raised:
        thread_budget.within_budget(Response)
    assert raised.value.retry_after
