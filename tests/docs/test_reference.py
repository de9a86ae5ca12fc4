"""The pages of the reference have all that the code has: settings, errors, tags, metrics, artifacts, public names."""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest
from pages import ROOT

import rollforward
from rollforward import errors
from rollforward.settings.keys import FIELDS, KEYS, REPLACED
from rollforward.settings.sources import VARIABLES

REFERENCE = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "rollforward"
ROW = re.compile(r"^\| (.+?) \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def page(name):
    return (REFERENCE / name).read_text(encoding="utf-8")


def first_cells(name):
    """Return what is code in the first cells of a page's tables."""
    return {code for cell in ROW.findall(page(name)) for code in CODE.findall(cell)}


def modules():
    for found in pkgutil.walk_packages(rollforward.__path__, "rollforward."):
        if not found.name.endswith("__main__") and ".cli" not in found.name:
            yield found.name


def test_every_setting_and_its_variable():
    assert first_cells("settings.md") >= set(KEYS)
    text = page("settings.md")
    assert all(f"`{variable}`" in text for variable in VARIABLES)
    for field in FIELDS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{field}` |"))
        assert (f"ROLLFORWARD_{field.upper()}" in row) == (f"ROLLFORWARD_{field.upper()}" in VARIABLES), row
    assert not first_cells("settings.md") & set(REPLACED)


def test_defaults_of_the_settings_are_those_that_are_written():
    from rollforward import settings

    found, text = settings.current(), page("settings.md")
    for field, spelt in [
        ("experiment", found.experiment),
        ("task_db_name", found.task_db_name),
        ("spool", found.spool),
    ]:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{field}` |"))
        assert f"`{spelt}`" in row
    for field in ("async_log", "provenance", "capture_output", "system_metrics", "heartbeat"):
        row = next(line for line in text.splitlines() if line.startswith(f"| `{field}` |"))
        value = getattr(found, field)
        assert f"| `{str(value).lower() if isinstance(value, bool) else f'{value:g}'}`" in row, row


def test_every_error_with_its_builtins():
    known = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and kind.__module__ == errors.__name__
    }
    rows = {CODE.findall(line)[0]: line for line in page("errors.md").splitlines() if line.startswith("| `")}
    assert rows.keys() == {name for name in known if name != "QlibException"}
    for name, row in rows.items():
        builtins = {base.__name__ for base in known[name].__bases__ if base.__module__ == "builtins"}
        assert set(CODE.findall(row.split("|")[2])) == builtins, name
        assert row.split("|")[4].strip(), f"{name}: what is to be done?"


# Functions that make tags, besides the calls that write them.
MAKES_TAGS = re.compile(r".*tags.*|resumed_command|describe|_describe|stay|carry|begin")
WRITES_TAGS = {"set_tags", "put_tags", "set_tag", "add_run", "tag", "put_param_once"}
NO_TAGS = {"script/*", "task", "strategy", "ledger", "effective", "entry"}  # artifacts; what gets a prefix later


def test_every_tag():
    text = page("tags.md")
    tags = written_tags()
    assert len(tags) > 50
    missing = sorted(tag for tag in tags - NO_TAGS if f"`{tag.replace('*', '<n>').replace('.0', '.<n>')}`" not in text)
    assert not missing


def written_tags():
    """Collect the keys of tags from the sources: of calls that write some, and in functions that make some."""
    found = set()
    for name in modules():
        module = importlib.import_module(name)
        tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            keys = []
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if called in WRITES_TAGS:
                    keys += dictionary_keys(node) + [ast.Constant(one.arg) for one in node.keywords if one.arg]
                    keys += node.args if called in ("set_tag", "put_param_once", "tag") else []
            elif isinstance(node, ast.FunctionDef) and MAKES_TAGS.fullmatch(node.name):
                keys += dictionary_keys(node)
            found |= {text for key in keys if (text := spelt(key, vars(module)))}
    return {tag for tag in found if not tag.isdecimal()}


def dictionary_keys(node):
    return [key for one in ast.walk(node) if isinstance(one, ast.Dict) for key in one.keys if key is not None]


def spelt(node, names):
    """Return the text that an expression is; what is only known later becomes ``*``."""
    if isinstance(node, ast.JoinedStr):
        return "".join(spelt(part, names) or "*" for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return spelt(node.value, names)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return None
    try:
        value = eval(compile(ast.Expression(node), "tags", "eval"), dict(names))  # noqa: S307  # our own text
    except Exception:  # noqa: BLE001  # not a constant
        return None
    return value if isinstance(value, str) else None


def documented():
    """Read the directives of the API's pages: module to names, or to nothing if it is all of them."""
    directive = re.compile(r"^\.\. automodule:: (\S+)\n((?:   .*\n)*)", re.MULTILINE)
    found = {}
    for file in sorted((REFERENCE / "api").glob("*.md")):
        for module, options in directive.findall(file.read_text(encoding="utf-8")):
            members = re.search(r":members:(.*)", options)
            left_out = re.search(r":exclude-members: (.*)", options)
            names = re.split(r",\s*", members[1].strip()) if members and members[1].strip() else None
            found[module] = names, left_out[1].split(", ") if left_out else []
    return found


INTERNAL = {"rollforward.workflow.online.record_of_signals"}
PACKAGES = sorted(
    name
    for name in ("rollforward", *modules())
    if name not in INTERNAL
    and "mlflow_backend" not in name
    and ".ledger." not in name
    and "__all__" in vars(importlib.import_module(name))
)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name(package):
    pages = documented()
    everything = "\n".join(file.read_text(encoding="utf-8") for file in (REFERENCE / "api").glob("*.md"))
    module = importlib.import_module(package)
    missing = []
    for name in module.__all__:
        home = getattr(getattr(module, name), "__module__", None)
        places = {package, home} if isinstance(home, str) and home.startswith("rollforward") else {package}
        shown = any(
            place in pages and (pages[place][0] is None or name in pages[place][0]) and name not in pages[place][1]
            for place in places | {one for one in pages if name in getattr(importlib.import_module(one), "__all__", ())}
        )
        if not shown and f"`{name}`" not in everything:
            missing.append(name)
    assert not missing, f"in no page of docs/reference/api: {missing}"


def test_modules_of_the_api_exist_and_have_what_is_named():
    for module, (names, _) in documented().items():
        found = importlib.import_module(module)
        assert not [name for name in names or [] if not hasattr(found, name)], module


FILE = re.compile(r"[\w/.<>-]+\.(?:pkl|csv|json|html|txt|png|parquet|md|yaml)")
# Files that are no artifacts: of installations, on this machine, of other programs, in messages and examples.
NO_ARTIFACT = re.compile(
    r"(?:.*/)?(?:rollforward-environment|vscode|pyvenv|mlflow|long|wide|base|pyproject|workflow|prices|alpha|day_future|"
    r"direct_url|_obj|sheet|page|comparison|config|metrics|run|runs|experiment|report_of|demo|sp500_close|closes)[\w.-]*"
)


def test_every_artifact():
    text = page("artifacts.md").replace("F.pkl", "1day.pkl").replace("F_obj", "1day_obj")
    names = {name.rpartition("/")[2] for name in FILE.findall(text)}
    missing = {}
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0]
        if room in ("workflow", "report"):
            for name in literal_files(path):
                if name.rpartition("/")[2] not in names and not NO_ARTIFACT.fullmatch(name):
                    missing.setdefault(name, str(path.relative_to(SOURCE)))
    assert not missing


def literal_files(path):
    """Yield the names of files that stand in a source, outside docstrings and messages."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FILE.fullmatch(node.value):
            yield node.value


def test_every_metric():
    from rollforward.workflow.record_temp import base

    text, missing = page("metrics.md"), []
    for path in sorted(Path(base.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                for key in node.keys:
                    if isinstance(key, ast.Constant) and re.fullmatch(r"[A-Z][a-z]+[- ][A-Za-z -]+", str(key.value)):
                        missing += [key.value] if f"`{key.value}`" not in text else []
    assert not missing
    from rollforward.evaluation import alpha

    for name in (alpha.IC, alpha.ICIR, alpha.RANK_IC, alpha.RANK_ICIR, "MSE", "RMSE"):
        assert f"`{name}`" in text
