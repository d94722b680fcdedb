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


def test_a_quarter_of_the_threads_may_be_taken(app: Flask) -> None:
    assert granted() == 2


@pytest.mark.parametrize("threads", [1, 3, 4, 7])
def test_there_is_one_slot_at_least(app: Flask, threads: int) -> None:
    thread_budget.register(app, threads=threads)
    assert granted() == 1


def test_a_slot_is_free_again_after_its_block(app: Flask) -> None:
    with pytest.raises(ZeroDivisionError), thread_budget.slot():
        assert granted() == 1
        raise ZeroDivisionError
    assert granted() == 2


def test_a_response_has_its_slot_until_it_is_closed_however_often(app: Flask) -> None:
    response = thread_budget.within_budget(lambda: Response(iter([b"x"])))
    assert granted() == 1
    response.close()
    response.close()
    assert granted() == 2


def test_a_response_that_could_not_be_made_leaves_no_slot_taken(app: Flask) -> None:
    def fail() -> Response:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        thread_budget.within_budget(fail)
    assert granted() == 2


def test_without_a_free_slot_the_refusal_says_when_to_try_again(app: Flask) -> None:
    for _ in range(2):
        thread_budget.within_budget(Response)
    with pytest.raises(Unavailable) as raised:
        thread_budget.within_budget(Response)
    assert raised.value.retry_after
