"""The pages, and what is in their blocks.

A block that may not be run as it stands says why, in a comment on the line before it: ``<!-- not run: REASON -->``. A
block of YAML that a later command reads is written as a file: ``<!-- file: NAME -->``. A block of Python that shows an
example names it: ``<!-- examples/NAME.py -->``.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS = [README, *sorted(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
BLOCK = re.compile(
    r"^(?:<!-- (?P<note>[^>]+?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
NOT_RUN, FILE = "not run: ", "file: "


@dataclass(frozen=True)
class Block:
    """What is between two fences."""

    document: Path
    line: int
    language: str
    text: str
    note: str

    @property
    def reason(self):
        """Why it is not run; empty if it is."""
        return self.note.removeprefix(NOT_RUN) if self.note.startswith(NOT_RUN) else ""

    @property
    def file(self):
        """What it is written to; empty if it is not."""
        return self.note.removeprefix(FILE) if self.note.startswith(FILE) else ""

    @property
    def example(self):
        """The example that it repeats; empty if it is none."""
        return self.note if self.note.startswith("examples/") else ""

    @property
    def place(self):
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(document, *languages):
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            document,
            text.count("\n", 0, match.start("language")) + 1,
            *match.group("language", "text"),
            match["note"] or "",
        )
        for match in BLOCK.finditer(text)
        if not languages or match["language"] in languages
    ]


def command_lines(block):
    """Yield what is typed in a block of a terminal, each as its words, without comments; the prompt is ``$``."""
    lines = block.text.replace("\\\n", " ").splitlines()
    for line in lines:
        if line.startswith("$ "):
            lexer = shlex.shlex(line[2:], posix=True, punctuation_chars="();<>|&")
            lexer.whitespace_split = True
            words = list(lexer)
            if words:
                yield words


def calls_of_the_program(words):
    """Yield the arguments of each call of ``rollforward`` in a line."""
    commands = [[]]
    for word in words:
        if word and set(word) <= set("();<>|&"):
            commands.append([])
        else:
            commands[-1].append(word)
    for command in commands:
        if command and command[0].rpartition("/")[2] == "rollforward" and command[1:]:
            yield command[1:]
