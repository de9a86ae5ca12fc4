"""The exit codes of all commands, in one table."""

from __future__ import annotations

DONE, ERROR, USAGE, LOOK, WAITING, INTERRUPTED, NO_READER = 0, 1, 2, 3, 4, 130, 141

# What each means: shown by `rollforward --help`, and in docs/reference/cli.md.
MEANINGS = {
    DONE: "done; also what ends at Ctrl-C on purpose: worker, pool watch, ui, server",
    ERROR: "an error that is explained; you said no; something is wrong (doctor), left (sync), failed (run-all) or to "
    "be done (migrate --check)",
    USAGE: "a wrong command line, or nobody to ask: add --yes",
    LOOK: "done, and somebody has to look: failed tasks (pool wait, pool watch --until-done); a held session, a "
    "strategy that could not begin, models that are behind or without proof (online); what a program cannot decide "
    "(migrate)",
    WAITING: "somebody else is at work (online --no-wait), or the time was up (pool wait --timeout)",
    INTERRUPTED: "interrupted by Ctrl-C; a run that was open is KILLED",
    NO_READER: "nobody reads on what is printed, as in: rollforward runs list | head -1",
}
