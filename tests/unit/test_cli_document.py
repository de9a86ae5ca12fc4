"""With --json, standard output holds one document, whatever else is printed on the way."""

import json
import subprocess
import sys

from rollforward.cli.document import documents_only, print_document

CODE = """
import os, subprocess, sys
from rollforward.cli.document import documents_only, print_document

print("before", flush=True)
with documents_only(active={active}):
    print("of a library")
    os.write(1, b"of code in C\\n")
    subprocess.run([sys.executable, "-c", "print('of a child')"], check=True)
    print_document({{"a": "\u00e4"}})
print("after")
"""
PRINTED = ["of a library", "of code in C", "of a child"]


def said(*, active):
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(active=active)], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout, done.stderr


def test_what_others_print_goes_to_standard_error():
    out, err = said(active=True)

    before, *document, after = out.splitlines()
    assert (before, after) == ("before", "after")
    assert json.loads("".join(document)) == {"a": "ä"}
    assert set(PRINTED) <= set(err.splitlines())


def test_without_json_nothing_is_moved():
    out, err = said(active=False)

    assert set(PRINTED) <= set(out.splitlines())
    assert not err


def test_streams_that_are_replaced(capsys):
    with documents_only(active=True):
        sys.stdout.write("of a library\n")
        print_document([1])
    sys.stdout.write("after\n")

    out, err = capsys.readouterr()
    assert json.loads(out.removesuffix("after\n")) == [1]
    assert err == "of a library\n"
