"""When a difference in calendar arithmetic or in the making of tasks is the one on purpose: looks at a case and both answers."""

import copy

import pandas as pd

from against_qlib.difference import (
    bounds_of,
    segments_of,
    times_of,
)
from against_qlib.plain import TIME, same


def shift_goes_back(case, *_):
    return case.args["args"][1] < 0


def start_became_open(case, theirs, _):
    return case.args["args"][0][0] is not None and theirs[0] is None


def one_day_is_left(case, theirs, _):
    """Qlib's answer has a segment of one day, which the truncation made."""
    tasks = theirs if isinstance(theirs, list) else []
    found = [pair for task in tasks for pair in times_of(task).values()]
    if case.kind == "trunc_segments":
        found = [pair for name, pair in theirs.items() if name != case.args["test_key"]]
    if case.kind == "TimeAdjuster.truncate":
        found = [theirs]
    return any(start is not None and start == end for start, end in found)


def ends_move_inwards(case, theirs, ours):
    """All is equal, but for ends on no session: Qlib's is the session after, ours the one before."""
    given = segments_of(case)
    if case.kind == "TimeAdjuster.truncate":
        given, theirs, ours = {"segment": case.args["args"][0]}, {"segment": theirs}, {"segment": ours}
    moved = False
    for name, (_, end) in given.items():
        if same(theirs[name], ours[name]):
            continue
        if ours[name][1] is None:
            return False
        # Qlib's end after the calendar's last session is none.
        theirs_at = len(case.sessions) if theirs[name][1] is None else case.index(theirs[name][1][TIME])
        ours_at = case.index(ours[name][1][TIME])
        moved = True
        if not same(theirs[name][0], ours[name][0]) or case.is_session(end) or theirs_at != ours_at + 1:
            return False
    return moved


def first_session_is_touched(case, *_):
    return any(time is not None and case.index(time) == 0 for time in bounds_of(case))


def ends_are_open(case, theirs, ours):
    theirs, ours = copy.deepcopy([theirs, ours])
    if case.kind == "TimeAdjuster.align_seg":
        theirs, ours = [{"segment": theirs}], [{"segment": ours}]
    else:
        theirs, ours = ([task["dataset"]["kwargs"]["segments"] for task in tasks] for tasks in (theirs, ours))
    for name in [name for name, pair in segments_of(case).items() if pair[1] == -1]:
        for segments in ours:
            segments[name] = (segments[name][0], segments[name][1] or {TIME: str(case.sessions[-1])})
    return same(theirs, ours)


def ends_mean_all_of_it(case, theirs, ours):
    """The end is the last session of the day or the month; in Qlib the last one before it, or at its beginning."""
    start = pd.Timestamp(case.args["args"][0][1])
    is_month = len(str(case.args["args"][0][1])) == len("2020-01")
    end = start + (pd.offsets.MonthEnd(1) if is_month else pd.Timedelta(0)) + pd.Timedelta("1D") - pd.Timedelta("1ns")
    last = case.sessions[case.index(end, "end")]
    return same(theirs[0], ours[0]) and ours[1] == {TIME: str(last)}


def next_fold_starts_at_the_end(case, theirs, _):
    return "NoneType" in theirs["text"]


def something_leaks(case, *_):
    """A segment ends, after truncation, on or after the first session of the test segment."""
    segments = segments_of(case)
    test = segments[case.args["options"].get("test_key", "test")]
    days = case.args["options"].get("trunc_days")
    start = case.index(test[0])
    ends = [case.index(pair[1], "end") for pair in segments.values() if pair is not test]
    return any((end if days is None else min(end, start - days)) >= start for end in ends)


def rtype_is_unknown(case, *_):
    return case.args["options"]["rtype"] not in {"expanding", "sliding"}


def only_open_handlers_differ(case, theirs, ours):
    """All is equal but the handler's end in folds with an open test segment: open in ours, early in Qlib's."""
    mended = copy.deepcopy(ours)
    for their_task, task in zip(theirs, mended, strict=False):
        handler, their_handler = handler_of(task), handler_of(their_task)
        is_open = task["dataset"]["kwargs"]["segments"]["test"][1] is None
        if is_open and handler and handler.get("end_time", 0) is None:
            handler.pop("end_time")
            handler |= {"end_time": their_handler["end_time"]} if "end_time" in their_handler else {}
            task["dataset"]["kwargs"]["handler"]["kwargs"] = {name: handler[name] for name in their_handler}
    return same(theirs, mended)


def only_test_ends_differ(case, theirs, ours):
    """All is equal but the end of the test segments, and of what follows it, after a fold that is open."""
    mended = copy.deepcopy([theirs, ours])
    for tasks in mended:
        for task in tasks:
            segments = task["dataset"]["kwargs"]["segments"]
            segments["test"] = (segments["test"][0], None)
            (handler_of(task) or {}).pop("end_time", None)
    return segments_of(case)["test"][1] is None and same(*mended)


def handler_of(task):
    handler = task["dataset"]["kwargs"].get("handler")
    return handler.get("kwargs") if isinstance(handler, dict) else None


def handler_end_is_a_placeholder(case, *_):
    tasks = case.args.get("tasks", case.args.get("task"))
    kwargs = [handler_of(task) or {} for task in (tasks if isinstance(tasks, list) else [tasks])]
    return any(str(handler.get("end_time")).startswith("<") for handler in kwargs)


def test_end_is_no_timestamp(case, *_):
    return not isinstance(case.args["test_end"], pd.Timestamp)


def date_has_no_neighbour(case, *_):
    args = case.args["args"]
    last = case.sessions[-1 if args.get("future") else case.n_current - 1]
    return not case.sessions[0] <= pd.Timestamp(args["trading_date"]) <= last


def end_is_before_the_calendar(case, *_):
    given = case.args["args"]
    return case.is_outside(given[0]) and given[1] == "end"
