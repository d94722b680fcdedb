"""What ./run does once the environment stands: prepare, start, show one signal's chart, and serve until told to end."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from config import Settings, SettingsError
from launcher import arguments, demo, environment, group, leftovers, proxy, samples, schema, terminal
from launcher.api import Api
from launcher.environment import Plan
from launcher.lock import RunLock, only_run
from launcher.places import METRICS, VAR
from launcher.refusal import Refusal

SERVED_SECONDS: Final = 30.0
PROXY_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.05
WATCH_SECONDS: Final = 0.2
INTERRUPTED: Final = 130


def main(words: Sequence[str]) -> int:
    options = arguments.parse(words)
    # Set for both: a shell starts what it runs in the background with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with only_run() as lock:
            _run(lock, domain=options.domain, once=options.once, verbose=options.verbose)
    except KeyboardInterrupt:
        terminal.say("stopped")
        return INTERRUPTED if options.once else 0
    except Refusal as refusal:
        for line in refusal.details:
            terminal.complain(f"  {line}")
        terminal.complain(f"./run: {refusal}")
        return 1
    return 0


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """SIGTERM takes the way of Ctrl-C."""
    raise KeyboardInterrupt


def _run(lock: RunLock, *, domain: str | None, once: bool, verbose: bool) -> None:
    for name in leftovers.end_recorded():
        terminal.say(f"ended {name}, left behind by a run that was killed")
    plan = environment.prepare(environment.inherit(), domain)
    for note in plan.notes:
        terminal.say(note)
    environment.adopt(plan)
    settings = _settings()
    if not plan.starts_redis:
        environment.check_redis(settings.redis_url)
    api = Api.of(settings)
    servers = group.Group(verbose=verbose)
    try:
        _start(servers, plan, settings)
        lock.announce(api.address)
        _show(servers, api, plan, settings, once=once)
        while not once:
            time.sleep(WATCH_SECONDS)
            servers.check()
    finally:
        _stop(servers)


def _settings() -> Settings:
    try:
        return Settings.from_env()
    except SettingsError as error:
        raise Refusal("; ".join(str(error).splitlines())) from error


def _start(servers: group.Group, plan: Plan, settings: Settings) -> None:
    """Bring everything up. The queue's server starts while the database is brought up to date."""
    for name in group.commands():
        shutil.rmtree(METRICS / name, ignore_errors=True)  # counts of processes that are gone
        (METRICS / name).mkdir(parents=True)
    if plan.starts_redis:
        servers.start("redis", plan.variables_of("redis"))
    schema.bring_up_to_date(settings, plan.variables)
    for name in ("web", "worker", "events"):
        servers.start(name, plan.variables_of(name))


def _show(servers: group.Group, api: Api, plan: Plan, settings: Settings, *, once: bool) -> None:
    _wait_until_served(servers, api)
    servers.start("beat", plan.variables_of("beat"))  # needed last, and until here the others need the processor
    if plan.domain is not None:
        _start_proxy(servers, plan)
    terminal.say(f"serving at {api.address}")
    try:
        samples.bring_in(api, plan.variables)
        shown = demo.play(api, settings, servers.check)
    except (OSError, Refusal) as error:
        servers.check()
        if once:
            raise Refusal(str(error)) from error
        terminal.complain(f"the demo did not work, serving goes on: {error}")
        shown = None
    for line in _summary(api.address, shown):
        terminal.say(line)
    if plan.domain is not None:
        terminal.say(f"https   {proxy.address(plan.variables)}/api/v1")
        terminal.say(f"        {proxy.advice(plan.domain)}")
    if not once:
        terminal.say("Ctrl-C ends everything.")


def _start_proxy(servers: group.Group, plan: Plan) -> None:
    """Start the proxy and wait for its ports. Its certificate may take longer: that depends on the name's records."""
    servers.start("proxy", plan.variables_of("proxy"))
    deadline = time.monotonic() + PROXY_SECONDS
    while not proxy.listens(plan.variables):
        servers.check()
        if time.monotonic() > deadline:
            raise Refusal(f"the proxy did not listen within {PROXY_SECONDS:.0f} s", group.tail(group.log_of("proxy")))
        time.sleep(POLL_SECONDS)


def _wait_until_served(servers: group.Group, api: Api) -> None:
    started = time.monotonic()
    while time.monotonic() - started < SERVED_SECONDS:
        servers.check()
        try:
            if api.get("/healthz").status == 200:  # noqa: PLR2004 - HTTP's own number
                return
        except OSError:
            terminal.progress(f"starting, {time.monotonic() - started:.1f} s")
        time.sleep(POLL_SECONDS)
    raise Refusal(f"the web server did not answer within {SERVED_SECONDS:.0f} s", group.tail(group.log_of("web")))


def _summary(address: str, shown: demo.Demo | None) -> list[str]:
    lines: list[str] = []
    if shown is not None:
        told, chart = shown.signal, shown.chart
        lines += [
            f"signal  {told['id']}  {told['side']} {told['instrument']} at {told['price']}, {told['time']}",
            f"chart   {shown.file}  ({chart['width']} x {chart['height']}, {chart['bytes']} bytes)",
            f"        {address}/api/v1/signals/{told['id']}/chart.png",
        ]
    return [
        *lines,
        f"API     {address}/api/v1",
        f"docs    {address}/docs",
        f"logs    {VAR / 'log'}/",
    ]


def _stop(servers: group.Group) -> None:
    """A second Ctrl-C must not leave servers behind; stopping takes seconds at most."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    terminal.progress("stopping")
    servers.stop()
    terminal.settle()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
