"""Which cases are equal, which differ on purpose, which differ."""

import os
import pickle
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from against_qlib import calls
from against_qlib.difference import Case
from against_qlib.differences_in_configs import CONFIG_DIFFERENCES
from against_qlib.differences_in_frames import FRAME_DIFFERENCES
from against_qlib.differences_in_records import RECORD_DIFFERENCES
from against_qlib.differences_in_time import TIME_DIFFERENCES
from against_qlib.generated import all_cases
from against_qlib.our_side import our_names
from against_qlib.plain import pack, same, unpack

DIFFERENCES = (*TIME_DIFFERENCES, *FRAME_DIFFERENCES, *CONFIG_DIFFERENCES, *RECORD_DIFFERENCES)
_HERE = Path(__file__).resolve().parents[1]
_TIMEOUT = 240


@dataclass
class Outcome:
    """What came out of all cases."""

    n_cases: Counter = field(default_factory=Counter)
    equal: Counter = field(default_factory=Counter)
    on_purpose: Counter = field(default_factory=Counter)
    wrong: dict = field(default_factory=dict)


def compare_all(oracle, folder):
    """Ask both sides all cases and compare."""
    calendars, cases = all_cases()
    packed = [{**case, "args": pack(case["args"])} for case in cases]
    theirs = ask_qlib(oracle, folder, [(pack(sessions), n) for sessions, n in calendars], packed)
    names = [our_names(*calendar) for calendar in calendars]
    outcome = Outcome()
    for case, plain, answer in zip(cases, packed, theirs, strict=True):
        # The functions under test may change what they are given: it is read anew.
        ours = calls.answer(names[case["calendar"]], case["kind"], unpack(plain["args"]), pack)
        judge(Case(case["kind"], case["args"], *calendars[case["calendar"]]), answer, ours, outcome)
    return outcome


def ask_qlib(oracle, folder, calendars, cases):
    """Let the oracle answer all cases in one process."""
    asked, answered = folder / "cases.pkl", folder / "answers.pkl"
    asked.write_bytes(pickle.dumps((calendars, cases), protocol=4))
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW", "_QLIB"))}
    done = subprocess.run(
        [oracle, "-m", "against_qlib.qlib_side", str(asked), str(answered)],
        env=keep | {"PYTHONPATH": str(_HERE), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The oracle {oracle} failed:\n{done.stderr[-3000:]}")
    return pickle.loads(answered.read_bytes())


def judge(case, theirs, ours, outcome):
    outcome.n_cases[case.kind] += 1
    if agree(theirs, ours):
        outcome.equal[case.kind] += 1
        return
    name = next((known.name for known in DIFFERENCES if known.covers(case, theirs, ours)), None)
    if name is None:
        outcome.wrong.setdefault(case.kind, []).append((case, theirs, ours))
    outcome.on_purpose[name] += name is not None


def agree(theirs, ours):
    """Equal values; or both refuse, with a class of rollforward that is also the builtin that Qlib raises."""
    if "value" in theirs and "value" in ours:
        return same(theirs["value"], ours["value"])
    shared = set(theirs.get("error", ())) & set(ours.get("error", ()))
    return "RollforwardError" in ours.get("error", ()) and shared > {"Exception"}


def shown(wrong, most=3):
    """Describe the smallest of the cases that are wrong."""
    smallest = sorted(wrong, key=lambda entry: len(str(entry[0].args)))[:most]
    lines = [f"{len(wrong)} cases differ and no entry of the table says why. The smallest:"]
    for case, theirs, ours in smallest:
        lines += [
            f"\n{case.args}",
            f"  sessions    {len(case.sessions)} from {case.sessions[0]}, {case.n_current} so far",
        ]
        lines += [f"  Qlib        {str(theirs)[:1500]}"]
        lines += [f"  rollforward {str(ours)[:1500]}"]
    return "\n".join(lines)
