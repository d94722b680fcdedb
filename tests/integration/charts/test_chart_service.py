"""The life of a chart's row, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.charts import jobs, retention, service
from app.charts.domain import ChartSpec, Sample
from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.service import ChartFailed, RenderLease, RenderResult
from app.shared.db import Database
from app.shared.errors import Gone, NotFound, Unavailable
from config import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy.of(Settings())
DRAWN = RenderResult(
    path="charts/2026/11/24/x.png", etag="e", bytes=9, warnings=["w"], alt="a sentence", degraded=False
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


def a_spec(**changes) -> ChartSpec:
    return replace(ChartSpec(type="histogram", data=Sample((1.0, 2.0))), **changes)


def request_chart(
    database: Database,
    spec: ChartSpec | None = None,
    *,
    policy: Policy = POLICY,
    now: datetime = NOW,
    owner: str = "desk",
):
    with database.transaction() as session:
        return service.request_chart(session, spec or a_spec(), policy, owner=owner, now=now, request_id="r1")


def claim(database: Database, *, now: datetime = NOW, policy: Policy = POLICY) -> RenderLease | None:
    with database.transaction() as session:
        return service.claim_next(session, policy, now=now)


def a_claim(database: Database, *, now: datetime = NOW) -> RenderLease:
    chart_id = request_chart(database, now=now).chart.id
    claimed = claim(database, now=now)
    assert claimed is not None
    assert claimed.chart_id == chart_id
    return claimed


def read(database: Database, chart_id: str) -> Chart:
    with database.reading() as session:
        return service.find(session, chart_id)


def complete(database: Database, lease: RenderLease, result: RenderResult = DRAWN) -> bool:
    with database.transaction() as session:
        return service.complete(session, lease, result, POLICY, now=NOW)


def fail(database: Database, lease: RenderLease, *, final: bool = False) -> None:
    with database.transaction() as session:
        service.fail(session, lease, "no luck", POLICY, now=NOW, final=final)


def wake_due(database: Database, now: datetime, limit: int = 100) -> list[str]:
    with database.transaction() as session:
        return list(jobs.wake_due(session, POLICY, now=now, limit=limit))


def test_equal_requests_share_one_row(database):
    first, second = request_chart(database), request_chart(database)
    assert first.chart.id == second.chart.id
    assert (first.wake, second.wake) == (True, False)


def test_another_owner_gets_a_chart_of_its_own(database):
    with database.transaction() as session:
        other = service.request_chart(session, a_spec(), POLICY, owner="other", now=NOW, request_id="")
    assert other.chart.id != request_chart(database).chart.id


def test_concurrent_equal_requests_make_one_row(database):
    with ThreadPoolExecutor(8) as pool:
        ids = {result.chart.id for result in pool.map(lambda _: request_chart(database), range(16))}
    assert len(ids) == 1


def test_a_full_queue_refuses_new_charts_and_still_returns_existing_ones(database):
    tight = replace(POLICY, max_queue=1)
    existing = request_chart(database, policy=tight).chart.id
    with pytest.raises(Unavailable):
        request_chart(database, a_spec(title="another"), policy=tight)
    assert request_chart(database, policy=tight).chart.id == existing


def test_one_owner_alone_gets_half_of_the_queue_and_the_error_names_the_owner(database):
    tight = replace(POLICY, max_queue=8)
    for number in range(4):
        request_chart(database, a_spec(title=f"{number}"), policy=tight)
    message = "desk has its share of the queue: 4 of the 4 charts that wait, of 8 places"
    with pytest.raises(Unavailable, match=message) as refused:
        request_chart(database, a_spec(title="one more"), policy=tight)
    assert refused.value.retry_after == 5


def test_owners_who_fill_the_queue_leave_places_for_a_later_one(database):
    tight = replace(POLICY, max_queue=12)
    accepted = {"a": 0, "b": 0}
    for number in range(24):
        owner = "ab"[number % 2]
        with suppress(Unavailable):
            request_chart(database, a_spec(title=f"{number}"), policy=tight, owner=owner)
            accepted[owner] += 1
    assert accepted == {"a": 4, "b": 4}
    assert request_chart(database, policy=tight, owner="c").wake


def test_an_owner_whose_charts_were_drawn_may_request_more(database):
    tight = replace(POLICY, max_queue=2)
    first = a_claim(database)
    assert request_chart(database, a_spec(title="b"), policy=tight).wake
    with pytest.raises(Unavailable):
        request_chart(database, a_spec(title="c"), policy=tight)
    complete(database, first)
    claim(database)
    assert request_chart(database, a_spec(title="c"), policy=tight).wake


def test_a_small_chart_of_another_owner_is_claimed_before_earlier_expensive_ones(database):
    expensive = [request_chart(database, a_spec(title=f"{n}", width=3000, height=3000)).chart.id for n in range(3)]
    small = [request_chart(database, a_spec(title=f"s{n}"), owner="other").chart.id for n in range(3)]
    order = [claimed.chart_id for _ in range(6) if (claimed := claim(database))]
    assert set(order) == {*expensive, *small}
    assert order.index(small[0]) <= 1
    assert order.index(small[2]) < order.index(expensive[2])
    assert [chart for chart in order if chart in expensive] == expensive


def test_equal_charts_of_two_owners_are_claimed_alternately(database):
    mine = [request_chart(database, a_spec(title=f"{n}")).chart.id for n in range(3)]
    theirs = [request_chart(database, a_spec(title=f"{n}"), owner="other").chart.id for n in range(3)]
    order = ["mine" if claimed.chart_id in mine else "theirs" for _ in range(6) if (claimed := claim(database))]
    assert len(theirs) == 3
    assert order.count("mine") == 3
    assert order[1:5].count("theirs") == 2
    assert order[-3:] != ["theirs"] * 3


def test_a_stream_of_small_charts_does_not_starve_an_expensive_one(database):
    expensive = request_chart(database, a_spec(width=3000, height=3000)).chart.id
    for number in range(200):
        request_chart(database, a_spec(title=f"{number}"), owner="other")
        claimed = claim(database)
        assert claimed is not None
        if claimed.chart_id == expensive:
            return
    pytest.fail("the expensive chart was never claimed")


def test_a_chart_without_queue_limit_passes_a_full_queue(database):
    tight = replace(POLICY, max_queue=1)
    request_chart(database, policy=tight)
    with database.transaction() as session:
        result = service.request_chart(
            session, a_spec(title="b"), tight, owner="desk", now=NOW, request_id="", ignore_queue_limit=True
        )
    assert result.wake


def test_one_of_many_workers_gets_the_lease(database):
    request_chart(database)
    with ThreadPoolExecutor(8) as pool:
        claims = [lease for lease in pool.map(lambda _: claim(database), range(8)) if lease]
    assert len(claims) == 1
    assert claims[0].attempts == 1


def test_a_lease_contains_the_spec_and_the_request_id(database):
    lease = a_claim(database)
    assert '"type":"histogram"' in lease.spec
    assert lease.request_id == "r1"


def test_a_chart_whose_lease_expired_can_be_claimed_again(database):
    lease = a_claim(database)
    assert wake_due(database, NOW + POLICY.lease - timedelta(seconds=1)) == []
    assert claim(database) is None
    assert wake_due(database, NOW + POLICY.lease) == [lease.chart_id]
    again = claim(database, now=NOW + POLICY.lease)
    assert again is not None
    assert again.attempts == 2


def test_a_slow_worker_may_record_until_another_claims_the_chart(database):
    slow = a_claim(database)
    wake_due(database, NOW + POLICY.lease)
    assert complete(database, slow)
    assert read(database, slow.chart_id).status == service.READY
    assert claim(database) is None


def test_a_worker_that_lost_its_lease_cannot_record_anything(database):
    slow = a_claim(database)
    wake_due(database, NOW + POLICY.lease)
    quick = claim(database, now=NOW + POLICY.lease * 2)
    assert quick is not None
    assert not complete(database, slow)
    fail(database, slow, final=True)
    assert read(database, slow.chart_id).status == service.RENDERING
    assert complete(database, quick)


def test_a_completed_chart_has_everything_about_its_image(database):
    lease = a_claim(database)
    assert complete(database, lease)
    chart = read(database, lease.chart_id)
    assert service.image_path(chart) == DRAWN.path
    assert (chart.etag, chart.bytes, chart.warnings, chart.alt) == ("e", 9, ["w"], "a sentence")
    assert chart.ready_at == NOW
    assert chart.expires_at == NOW + POLICY.retention
    assert chart.due_at is None


def test_a_failed_chart_is_retried_until_its_attempts_are_used_up(database):
    first = a_claim(database)
    lease: RenderLease | None = first
    for attempt in range(1, POLICY.max_attempts + 1):
        assert lease is not None
        assert lease.attempts == attempt
        fail(database, lease)
        assert claim(database) is None
        wake_due(database, NOW + POLICY.sweep_after * attempt)
        lease = claim(database)
    assert lease is None
    chart = read(database, first.chart_id)
    assert (chart.status, chart.error) == (service.FAILED, "no luck")
    with pytest.raises(ChartFailed, match="no luck"):
        service.image_path(chart)


def test_a_final_failure_is_not_retried(database):
    lease = a_claim(database)
    fail(database, lease, final=True)
    assert read(database, lease.chart_id).status == service.FAILED
    assert claim(database) is None


def test_the_same_request_draws_a_failed_chart_again(database):
    lease = a_claim(database)
    fail(database, lease, final=True)
    again = request_chart(database)
    assert again.wake
    assert (again.chart.status, again.chart.attempts, again.chart.error) == (service.QUEUED, 0, None)


def test_a_placeholder_is_drawn_again_on_request(database):
    lease = a_claim(database)
    complete(database, lease, replace(DRAWN, degraded=True))
    assert request_chart(database).wake


def test_the_sweep_does_not_wake_charts_that_were_just_queued(database):
    chart_id = request_chart(database).chart.id
    assert wake_due(database, NOW) == []
    assert wake_due(database, NOW + POLICY.sweep_after) == [chart_id]


def test_the_sweep_does_not_wake_the_same_chart_twice_in_a_lease(database):
    request_chart(database)
    late = NOW + POLICY.sweep_after
    assert wake_due(database, late)
    assert wake_due(database, late + timedelta(seconds=1)) == []


def test_the_sweep_wakes_charts_of_owners_round_robin(database):
    with database.transaction() as session:
        for owner, charts in (("busy", 20), ("late", 1), ("other", 2)):
            for number in range(charts):
                spec = a_spec(title=f"{owner} {number}")
                service.request_chart(session, spec, POLICY, owner=owner, now=NOW, request_id="")
    late = NOW + POLICY.sweep_after
    with database.transaction() as session:
        woken = jobs.wake_due(session, POLICY, now=late, limit=9)
        owners = [session.get_one(Chart, chart_id).owner for chart_id in woken]
    assert owners == ["busy", "late", "other", "busy", "other", "busy"]


def test_each_batch_of_the_sweep_wakes_other_charts(database):
    for number in range(7):
        request_chart(database, a_spec(title=str(number)))
    late = NOW + POLICY.sweep_after
    batches = [wake_due(database, late, limit=3) for _ in range(4)]
    assert [len(batch) for batch in batches] == [3, 3, 1, 0]
    assert len({chart_id for batch in batches for chart_id in batch}) == 7


def test_concurrent_requests_for_a_failed_chart_queue_it_once(database):
    lease = a_claim(database)
    fail(database, lease, final=True)
    with ThreadPoolExecutor(8) as pool:
        result = list(pool.map(lambda _: request_chart(database), range(8)))
    assert [requested.wake for requested in result].count(True) == 1


def test_the_sweep_fails_a_chart_whose_worker_was_lost_at_every_attempt(database):
    lease = a_claim(database)
    now = NOW
    for _ in range(POLICY.max_attempts - 1):
        now += POLICY.lease + timedelta(seconds=1)
        assert wake_due(database, now) == [lease.chart_id]
        assert claim(database, now=now) is not None
    assert wake_due(database, now + POLICY.lease) == []
    chart = read(database, lease.chart_id)
    assert (chart.status, chart.error) == (service.FAILED, jobs.WORKER_LOST)


def test_expiry_marks_the_chart_and_returns_its_path(database):
    lease = a_claim(database)
    complete(database, lease)
    with database.transaction() as session:
        assert retention.expire(session, now=NOW + POLICY.retention - timedelta(seconds=1), limit=10) == []
    with database.transaction() as session:
        assert retention.expire(session, now=NOW + POLICY.retention, limit=10) == [DRAWN.path]
    with pytest.raises(Gone):
        service.image_path(read(database, lease.chart_id))
    assert request_chart(database).wake


def test_a_chart_with_a_missing_file_is_queued_once(database):
    lease = a_claim(database)
    complete(database, lease)
    for expected in (True, False):
        with database.transaction() as session:
            assert service.redraw(session, lease.chart_id, POLICY, now=NOW, request_id="r2") is expected


def test_the_backlog_counts_queued_charts_and_has_the_time_of_the_oldest(database):
    request_chart(database, now=NOW)
    request_chart(database, a_spec(title="later"), now=NOW + timedelta(seconds=5))
    with database.reading() as session:
        assert jobs.backlog(session) == (2, NOW)


def test_an_unknown_chart_is_not_found(database):
    with pytest.raises(NotFound):
        read(database, "0" * 32)
