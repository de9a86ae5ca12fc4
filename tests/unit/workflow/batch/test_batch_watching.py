"""What a batch shows while it runs."""

import io
from pathlib import Path

from rich.console import Console

from rollforward.workflow.batch import watching
from rollforward.workflow.batch.discover import Entry
from rollforward.workflow.batch.jobs import Job


def jobs():
    models = [Entry(name, name, Path("x.yaml")) for name in ("A", "B [red]")]
    made = [Job(model, time) for time in range(2) for model in models]
    made[0].state, made[0].metrics = "kept", {"IC": 0.02}
    made[1].state, made[1].reason, made[1].seconds = "failed", "It broke.", 2.0
    made[2].state = "running"
    return made


def test_a_log_gets_a_line_for_each_change(capsys):
    made = jobs()

    with watching.watching(made) as watcher:
        watcher.tell(made[1])
        made[2].state, made[2].seconds, made[2].metrics = "finished", 1.5, {"IC": 0.04}
        watcher.tell(made[2])

    assert capsys.readouterr().err.splitlines() == [
        "1 of 4 runs are finished already.",
        "[2/4] B [red] 0 failed after 2.0 s: It broke.",
        "[3/4] A 1 finished after 1.5 s, IC 0.0400",
    ]


def test_a_terminal_gets_a_table_of_the_models():
    shown = watching._Shown(jobs())
    text = io.StringIO()
    Console(file=text, width=100).print(shown.table())

    said = text.getvalue()
    assert "2 of 4 runs" in said
    rows = {
        line.split("  ")[0].strip(): line.split()[-5:]
        for line in said.splitlines()
        if line.strip().startswith(("A", "B"))
    }
    assert rows["A"] == ["1", "1", "0", "0", "0.0200"]
    assert rows["B [red]"] == ["0", "0", "1", "1", "-"]


def test_silence_is_kept(capsys):
    made = jobs()
    with watching.watching(made, progress=False) as watcher:
        watcher.note("x")
        watcher.tell(made[1])

    assert capsys.readouterr().err == ""
