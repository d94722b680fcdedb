"""./run, once the packages are installed: starts the servers, shows the chart of one signal, then serves."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from config import Settings, SettingsError
from launcher import arguments, demo, environment, group, leftovers, proxy, samples, schema, terminal
from launcher.api import ApiClient
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
    # Set both: a shell starts background processes with SIGINT ignored.
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
    """Handle SIGTERM like Ctrl-C."""
    raise KeyboardInterrupt


def _run(lock: RunLock, *, domain: str | None, once: bool, verbose: bool) -> None:
    for name in leftovers.end_recorded():
        terminal.say(f"stopped {name}, left over from a run that was killed")
    plan = environment.prepare(environment.inherit(), domain)
    for note in plan.notes:
        terminal.say(note)
    environment.adopt(plan)
    settings = _settings()
    if not plan.starts_redis:
        environment.check_redis(settings.redis_url)
    api = ApiClient.of(settings)
    servers = group.Group(verbose=verbose)
    try:
        _start(servers, plan, settings)
        lock.write(api.address)
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
    """Start Redis, migrate the database while Redis starts, then start the web server and the workers."""
    for name in group.commands():
        shutil.rmtree(METRICS / name, ignore_errors=True)  # metrics of ended processes
        (METRICS / name).mkdir(parents=True)
    if plan.starts_redis:
        servers.start("redis", plan.variables_of("redis"))
    schema.upgrade(settings, plan.variables)
    for name in ("web", "worker", "events"):
        servers.start(name, plan.variables_of(name))


def _show(servers: group.Group, api: ApiClient, plan: Plan, settings: Settings, *, once: bool) -> None:
    _wait_until_served(servers, api)
    servers.start("beat", plan.variables_of("beat"))  # needed last; until here it would slow the others down
    if plan.domain is not None:
        _start_proxy(servers, plan)
    terminal.say(f"serving at {api.address}")
    try:
        samples.import_missing(api, plan.variables)
        shown = demo.play(api, settings, servers.check)
    except (OSError, Refusal) as error:
        servers.check()
        if once:
            raise Refusal(str(error)) from error
        terminal.complain(f"the demo failed, the service goes on: {error}")
        shown = None
    for line in _summary(api.address, shown):
        terminal.say(line)
    if plan.domain is not None:
        terminal.say(f"https   {proxy.address(plan.variables)}/api/v1")
        terminal.say(f"        {proxy.advice(plan.domain)}")
    if not once:
        terminal.say("Ctrl-C stops everything.")


def _start_proxy(servers: group.Group, plan: Plan) -> None:
    """Start the proxy and wait until it listens. The certificate may come later: it needs DNS records."""
    servers.start("proxy", plan.variables_of("proxy"))
    deadline = time.monotonic() + PROXY_SECONDS
    while not proxy.listens(plan.variables):
        servers.check()
        if time.monotonic() > deadline:
            raise Refusal(f"the proxy did not listen within {PROXY_SECONDS:.0f} s", group.tail(group.log_of("proxy")))
        time.sleep(POLL_SECONDS)


def _wait_until_served(servers: group.Group, api: ApiClient) -> None:
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
        posted, chart = shown.signal, shown.chart
        lines += [
            f"signal  {posted['id']}  {posted['side']} {posted['instrument']} at {posted['price']}, {posted['time']}",
            f"chart   {shown.file}  ({chart['width']} x {chart['height']}, {chart['bytes']} bytes)",
            f"        {address}/api/v1/signals/{posted['id']}/chart.png",
        ]
    return [
        *lines,
        f"API     {address}/api/v1",
        f"docs    {address}/docs",
        f"logs    {VAR / 'log'}/",
    ]


def _stop(servers: group.Group) -> None:
    """Stop all servers. Ignores a second Ctrl-C, which would leave servers behind; this takes seconds."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    terminal.progress("stopping")
    servers.stop()
    terminal.settle()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
