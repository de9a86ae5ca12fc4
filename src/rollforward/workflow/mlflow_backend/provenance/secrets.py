"""Secrets in the texts that are kept: known key names, the shapes of tokens, private keys.

Hiding too much spoils a line of a diff; hiding too little spoils a password. Each pattern reads a text in linear time.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from rollforward.settings.masking import HIDDEN, SENSITIVE

# As `mask_credentials`, but bounded: a line of a diff may be megabytes long.
_USERINFO = re.compile(r"(?<![A-Za-z0-9+.-])((?!sqlite|file)[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s\"'<>]{0,300}@")
_PARAMETER = re.compile(rf"(?i)([?&;][\w-]{{0,40}}?(?:{SENSITIVE})(?:[_-][\w-]{{0,40}})?=)[^&;\s\"'<>]+")
_LONG = r"pass(?:word|wd|phrase)|secret|token|credentials?|api_?key|access_?key|private_?key|auth_?key"
_NAME = rf"(?<![\w-])(?:[\w-]{{0,60}}?(?:{_LONG})|(?:[\w-]{{0,60}}[_-])?(?:{SENSITIVE}))(?:[_-][\w-]{{0,60}})?"
_ANNOTATION = r"(?:[ \t]{0,9}:[ \t]{0,9}[\w.\[\] |]{1,40}?)?"
_QUOTED = re.compile(
    rf"(?i)({_NAME}(?:[\"']?\]?{_ANNOTATION}[ \t]{{0,9}}[:=]=?>?|[\"'][ \t]{{0,9}},)[ \t]{{0,9}}[rbuf]{{0,2}})"
    r"(?:(\")(?:[^\"\\\n]|\\.)+\"|(')(?:[^'\\\n]|\\.)+')"
)
_PLAIN = re.compile(
    rf"(?im)^([+\- ]?[ \t]{{0,80}}(?:export[ \t]+|set[ \t]+|-[ \t]+)?{_NAME}[ \t]*[:=][ \t]*)"
    r"(?!(?:null|none|true|false|\*{3})[ \t]*$|\$[{(])[^\s\"'].*$"
)
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----)(?:(?!-----END)[\s\S])*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"
)
_BEARER = re.compile(r"(?i)\b(Bearer|Basic)[ \t]+[\w+/.~=-]{16,}")
_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|gh[opsur]_[A-Za-z0-9]{20,}"
    r"|github_pat_\w{20,}"
    r"|glpat-[\w-]{16,}"
    r"|xox[abeoprs]-[\w-]{10,}"
    r"|AIza[\w-]{35}"
    r"|(?:sk|pk|rk)[-_](?:[a-z]{2,8}[-_])?[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{20,}"
    r"|npm_[A-Za-z0-9]{30,}"
    r"|pypi-[\w-]{40,}"
    r"|dapi[0-9a-f]{32}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"
    r")"
)
_FILE = re.compile(r"(?m)^(?=diff --git )")
# In these a name without quotes on the right is an expression, not a value.
_CODE = re.compile(
    r"\.(?:pyi?|pyx|ipynb|[jt]sx?|c|cc|cpp|cu|h|hpp|java|kt|scala|go|rs|rb|r|jl|m|lua|md|rst|txt|html|css|lock)",
    re.IGNORECASE,
)


def mask_secrets(text: str) -> str:
    """Hide what looks like a secret in a text, which may be what ``git diff`` says.

    Examples
    --------
    >>> mask_secrets('api_key = "abc", alpha = "1"')
    'api_key = "***", alpha = "1"'
    """
    return "".join(_masked(part) for part in _FILE.split(text))


def _masked(text: str) -> str:
    text = _PARAMETER.sub(rf"\1{HIDDEN}", _USERINFO.sub(rf"\1{HIDDEN}@", text))
    text = _PRIVATE_KEY.sub(rf"\1\n{HIDDEN}\n\2", text)
    text = _BEARER.sub(rf"\1 {HIDDEN}", _TOKENS.sub(HIDDEN, text))
    text = _QUOTED.sub(_hide_quoted, text)
    return _PLAIN.sub(rf"\1{HIDDEN}", text) if _is_configuration(text) else text


def _hide_quoted(match: re.Match[str]) -> str:
    quote = match[2] or match[3]
    return f"{match[1]}{quote}{HIDDEN}{quote}"


def _is_configuration(part: str) -> bool:
    """Whether a part of a diff is of a file such as .env or settings.yaml."""
    if not part.startswith("diff --git "):
        return False
    name = part.split("\n", 1)[0].rstrip('" ').rpartition("/")[2]
    return _CODE.fullmatch(PurePosixPath(name).suffix) is None
