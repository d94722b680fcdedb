"""`flask jobs` on both databases: list, retry and cancel."""

from __future__ import annotations

import pytest
from click.testing import Result
from flask import Flask
from redis import Redis

from app.charts import service as charts
from app.charts.domain import ChartSpec, Sample
from app.charts.models import Chart
from app.charts.policy import Policy
from app.events import service as events
from app.events.models import Event
from app.resources import Resources
from app.shared.clock import utc_now


@pytest.fixture
def run(app: Flask):
    """Runs `flask jobs` with these arguments."""

    def invoke(*arguments: str) -> Result:
        return app.test_cli_runner().invoke(args=["jobs", *arguments])

    return invoke


def a_chart(resources: Resources, title: str = "a") -> str:
    spec = ChartSpec(type="histogram", data=Sample((1.0, 2.0)), title=title)
    policy = Policy.of(resources.settings)
    with resources.database.transaction() as session:
        return charts.request_chart(session, spec, policy, owner="desk", now=utc_now(), request_id="r").chart.id


def a_failed_chart(resources: Resources, title: str = "a", reason: str = "no luck") -> str:
    chart_id, policy = a_chart(resources, title), Policy.of(resources.settings)
    with resources.database.transaction() as session:
        lease = charts.claim_next(session, policy, now=utc_now())
        assert lease is not None
        charts.fail(session, lease, reason, policy, now=utc_now(), final=True)
    return chart_id


def an_event(resources: Resources, *, failed: bool = False) -> str:
    with resources.database.transaction() as session:
        events.append_all(session, "signal.received", [events.Occurrence("s", utc_now(), "")])
    with resources.database.transaction() as session:
        (event,) = events.claim(session, now=utc_now(), limit=1)
        events.record_failure(event, "nobody home", max_attempts=1 if failed else 9)
        return str(event.id)


def chart(resources: Resources, chart_id: str) -> Chart:
    with resources.database.reading() as session:
        return charts.find(session, chart_id)


def event(resources: Resources, event_id: str) -> Event:
    with resources.database.reading() as session:
        (row,) = (row for row in events.find_by_status(session, ("queued", "failed", "done"), limit=99))
        assert str(row.id) == event_id
        return row


def waiting(resources: Resources, queue: str) -> int:
    with Redis.from_url(resources.settings.redis_url) as redis:
        length = redis.llen(queue)
        assert isinstance(length, int)
        return length


def test_unfinished_jobs_are_listed_with_their_errors(run, resources):
    failed, chart_id = a_failed_chart(resources, "b", "no\nluck"), a_chart(resources)
    event_id = an_event(resources)
    result = run("list")
    assert result.exit_code == 0, result.output
    rows = {line.split()[1]: line for line in result.output.splitlines()[1:]}
    assert set(rows) == {chart_id, failed, event_id}
    assert "queued" in rows[chart_id]
    assert rows[failed].endswith("no luck")
    assert "signal.received" in rows[event_id]


def test_a_list_can_be_filtered_by_type_and_status(run, resources):
    failed = a_failed_chart(resources, "b")
    a_chart(resources)
    an_event(resources, failed=True)
    (row,) = run("list", "--status", "failed", "--type", "charts").output.splitlines()[1:]
    assert failed in row
    (row,) = run("list", "--status", "failed", "--type", "events").output.splitlines()[1:]
    assert row.endswith("nobody home")
    assert len(run("list", "--status", "ready").output.splitlines()) == 1
    assert len(run("list", "--status", "failed", "--limit", "1").output.splitlines()) == 3


def test_a_failed_chart_is_queued_again_with_all_its_attempts_and_a_worker_is_woken(run, resources):
    chart_id = a_failed_chart(resources)
    result = run("retry", chart_id)
    assert result.exit_code == 0, result.output
    again = chart(resources, chart_id)
    assert (again.status, again.attempts, again.error) == ("queued", 0, None)
    assert waiting(resources, "charts") == 1


def test_a_failed_event_is_dispatched_again(run, resources):
    event_id = an_event(resources, failed=True)
    assert run("retry", event_id).exit_code == 0
    again = event(resources, event_id)
    assert (again.dispatched_at, again.attempts, again.error) == (None, 0, None)
    assert waiting(resources, "events") == 1


def test_a_job_that_did_not_fail_is_not_retried(run, resources):
    for job in (a_chart(resources), an_event(resources), "0" * 32):
        result = run("retry", job)
        assert result.exit_code == 1
        assert f"there is no failed job {job}" in result.output


def test_all_failed_jobs_of_a_type_are_queued_again_and_no_others(run, resources):
    failed = {a_failed_chart(resources, str(number)) for number in range(3)}
    event_id = an_event(resources, failed=True)
    result = run("retry", "--all-failed", "--type", "charts")
    assert result.output == "3 jobs are queued again\n"
    assert {chart(resources, chart_id).status for chart_id in failed} == {"queued"}
    assert events.status(event(resources, event_id)) == "failed"
    assert run("retry", "--all-failed").output == "1 jobs are queued again\n"
    assert events.status(event(resources, event_id)) == "queued"


def test_a_cancelled_chart_fails_with_that_reason_and_its_worker_records_nothing(run, resources):
    chart_id, policy = a_chart(resources), Policy.of(resources.settings)
    with resources.database.transaction() as session:
        lease = charts.claim_next(session, policy, now=utc_now())
    assert lease is not None
    assert run("cancel", chart_id).exit_code == 0
    render_result = charts.RenderResult("charts/2026/11/24/x.png", "e", 9, [], "", degraded=False)
    with resources.database.transaction() as session:
        assert not charts.complete(session, lease, render_result, policy, now=utc_now())
    ended = chart(resources, chart_id)
    assert (ended.status, ended.error, ended.due_at) == ("failed", "cancelled", None)


def test_a_cancelled_event_is_not_handled(run, resources):
    event_id = an_event(resources)
    assert run("cancel", event_id).exit_code == 0
    assert events.status(event(resources, event_id)) == "failed"
    with resources.database.transaction() as session:
        assert list(events.claim(session, now=utc_now(), limit=9)) == []


def test_a_finished_job_cannot_be_cancelled(run, resources):
    result = run("cancel", a_failed_chart(resources))
    assert (result.exit_code, "is waiting or running" in result.output) == (1, True)


@pytest.mark.parametrize("arguments", [("retry",), ("retry", "0" * 32, "--all-failed"), ("cancel", "not-an-id")])
def test_a_wrong_command_line_is_refused(run, arguments):
    assert run(*arguments).exit_code == 2
