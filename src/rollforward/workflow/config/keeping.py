"""What a run keeps of its workflow file: no credential is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward.instantiate.structure import rebuild
from rollforward.settings.masking import HIDDEN, SENSITIVE, mask_credentials, masked
from rollforward.workflow.config.scalars import dump_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rollforward.workflow.config.loading import Workflow

CONFIG, EFFECTIVE, AS_WRITTEN = "config", "config.yaml", "workflow"
FILE_TAG, OVERRIDES_TAG = "workflow_file", "overrides"

_MOST = 5000
_SHORTEST = 3
_NAMED = rf"[\"']?(?:[\w-]*[_-])?(?:{SENSITIVE})[\"']?\s*:\s*"
# A line such as `password: word`, but not `password: {{ WORD }}`, which holds none; and the same between braces.
_SECRET_LINE = re.compile(rf"(?im)^(\s*(?:-\s+)?{_NAMED})(?!\{{\{{)[^\s#].*$")
_SECRET_ITEM = re.compile(rf"(?im)([{{,]\s*{_NAMED})(?!\{{\{{)(?:\"[^\"]*\"|'[^']*'|[^,}}\n]+)")


def artifacts(workflow: Workflow) -> tuple[dict[str, Any], dict[str, str]]:
    """Collect what is stored with a run.

    Returns
    -------
    objects, texts
        The objects are pickled: ``config`` is the whole as one dictionary, as Qlib's. The texts: ``config.yaml``, the
        same as a file that can be run, its folders of code absolute, and ``workflow/<name>``, the file and its bases
        as they are written.
    """
    known = tuple(workflow.secrets.values())
    content = _without_secrets(workflow.content, known)
    secrets = (*known, *_named_secrets(workflow.content))
    texts = {EFFECTIVE: dump_yaml(_anywhere(content, workflow.search_path))}
    for i, written in enumerate(workflow.files):
        name = f"{AS_WRITTEN}/{written.path.name}"
        texts[name if name not in texts else f"{AS_WRITTEN}/{i}-{written.path.name}"] = _masked_text(
            written.text, secrets
        )
    return {CONFIG: content}, texts


def _anywhere(content: dict[str, Any], search_path: tuple[str, ...]) -> dict[str, Any]:
    """Name the folders of code so that they are found from wherever the stored file is."""
    return content | {"sys": {"path": list(search_path)}} if search_path else content


def tags(workflow: Workflow) -> dict[str, str]:
    """Collect the tags of a run: the file's name, and the overrides as they were given, one in a line."""
    hidden = [_masked_assignment(one, workflow.secrets) for one in workflow.assignments]
    found = {FILE_TAG: workflow.files[0].path.name} if workflow.files else {}
    return found | ({OVERRIDES_TAG: "\n".join(hidden)[:_MOST]} if hidden else {})


def _without_secrets(value: Any, secrets: tuple[str, ...], key: object = "") -> Any:
    """Copy plain values with credentials hidden: by name, in addresses, and wherever one of the secrets is."""
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, HIDDEN)
        return masked(value, key)
    if isinstance(value, Mapping | list):
        return rebuild(value, lambda item, name: _without_secrets(item, secrets, name))
    # A number under the name of a secret is a size: token_dim, signature_length.
    return value


def _named_secrets(value: Any, key: object = "") -> Iterator[str]:
    """Yield the texts that stand under the name of a secret."""
    if isinstance(value, str):
        if len(value) >= _SHORTEST and masked(value, key) == HIDDEN:
            yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _named_secrets(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _named_secrets(item)


def _masked_text(text: str, secrets: tuple[str, ...]) -> str:
    """Hide credentials in a file as it is written, also those that a file above it has overridden."""
    for pattern in (_SECRET_LINE, _SECRET_ITEM):
        text = pattern.sub(rf"\1{HIDDEN}", text)
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return mask_credentials(text)


def _masked_assignment(assignment: str, secrets: Mapping[str, str]) -> str:
    path, equals, value = assignment.partition("=")
    return f"{path}{equals}{_without_secrets(value, tuple(secrets.values()), path.rpartition('.')[2])}"
