"""What deploy/ holds: a compose file whose parts fit together, and secrets that nobody else can read."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from rollforward.cli.main import build_parser
from rollforward.settings.keys import KEYS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::?[-?]([^}]*))?\}")


def filled(text):
    """Put in the default values, as compose does."""
    return VARIABLE.sub(lambda match: match[2] or "", str(text))


def example():
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns(".env", "secrets")))


@pytest.mark.parametrize("name", ["mlflow", "worker"])
def test_commands_are_ours(name):
    command = [filled(word) for word in SERVICES[name]["command"]]
    assert build_parser().parse_args(command).command == {"mlflow": "server"}.get(name, name)


def test_every_variable_is_explained_and_every_explained_one_is_used():
    assert {match[1] for match in VARIABLE.finditer(TEXT)} == set(example())
    assert {match[1]: match[2] for match in VARIABLE.finditer(TEXT) if match[2] and " " not in match[2]} == {
        key: value for key, value in example().items() if value
    }


def test_no_secret_is_written_down():
    assert {key for key, value in example().items() if not value} == {
        "MONGO_ROOT_PASSWORD",
        "POOL_PASSWORD",
        "MLFLOW_PASSWORD",
        "MLFLOW_SECRET_KEY",
    }
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN", key):
                assert re.fullmatch(r"\$\{\w+(:\?.*)?\}", value), key


def test_settings_exist():
    given = {key for service in SERVICES.values() for key in service.get("environment", {})}
    names = {key.removeprefix("ROLLFORWARD_").lower() for key in given if key.startswith("ROLLFORWARD_")}
    assert names <= set(KEYS)
    assert {"task_store", "uri"} <= names


def test_parts_that_are_named_exist():
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for volume in service.get("volumes", []):
            source = filled(volume).split(":")[0]
            is_there = source in COMPOSE["volumes"] or (DEPLOY / source).exists() or source in ("./code", "./data")
            assert is_there, source
        for needed, condition in service.get("depends_on", {}).items():
            assert condition["condition"] == "service_healthy"
            assert "healthcheck" in SERVICES[needed]


def test_nothing_is_open_to_other_machines():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "ports" not in SERVICES["mongo"]


def test_a_worker_may_finish_before_it_is_killed():
    worker = SERVICES["worker"]
    grace = int(worker["command"][worker["command"].index("--grace") + 1])
    assert int(worker["stop_grace_period"].removesuffix("s")) > grace


def test_the_image_holds_what_is_needed_and_no_more():
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    ignored = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*"
    assert "USER rollforward" in dockerfile
    project = (DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.search(r"/src\[([^\]]+)\]", dockerfile)[1].split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_secrets_are_made_once_and_for_their_owner_only(folder):
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    first = (folder / ".env").read_text(), (folder / "secrets" / "mongo_keyfile").read_text()
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    assert first == ((folder / ".env").read_text(), (folder / "secrets" / "mongo_keyfile").read_text())
    values = dict(line.split("=", 1) for line in first[0].splitlines() if not line.startswith("#"))
    random = [values[key] for key, value in example().items() if not value]
    assert len(set(random)) == len(random)
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in random)
    # What a key file may hold: 6 to 1024 digits.
    assert re.fullmatch("[0-9a-f]{768}", first[1])
    for path in (folder / ".env", folder / "secrets", folder / "secrets" / "mongo_keyfile"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_compose_accepts_the_file(folder):
    found = shutil.which("docker")
    if found is None or subprocess.run([found, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    subprocess.run([folder / "make-secrets"], check=True, capture_output=True)
    done = subprocess.run(
        [found, "compose", "config", "--quiet"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
