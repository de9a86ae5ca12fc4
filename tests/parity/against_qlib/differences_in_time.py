"""Differences on purpose in calendar arithmetic and in the making of tasks."""

from against_qlib import conditions_in_time as when
from against_qlib.difference import (
    VALUE,
    Difference,
    segments_of,
    some_bound_is_open,
    some_bound_is_outside,
    some_segment_is_empty,
)

GENERATE = ("RollingGen.generate", "RollingGen.generate, no mod function", "task_generator")
FOLLOWING = ("RollingGen.gen_following_tasks",)
HORIZONS = ("MultiHorizonGenBase.generate",)
TASKS = (*GENERATE, *FOLLOWING, *HORIZONS)
TRUNCATION = ("TimeAdjuster.truncate", "trunc_segments")
WHOLE_DAYS = ("TimeAdjuster.align_seg, whole days",)
SEGMENTS = ("TimeAdjuster.align_seg", *WHOLE_DAYS, "TimeAdjuster.shift", *TRUNCATION)


TIME_DIFFERENCES = (
    Difference(
        "index-from-the-end",
        ("TimeAdjuster.get",),
        VALUE,
        "OutOfCalendarError",
        "An index before the calendar is an error; Qlib counts it from the calendar's end.",
        lambda case, *_: case.args["args"][0] < 0,
    ),
    Difference(
        "wraps-to-the-last-session",
        ("TimeAdjuster.align_time",),
        VALUE,
        "OutOfCalendarError",
        "There is no session up to a time before the calendar; Qlib answers the calendar's last one.",
        when.end_is_before_the_calendar,
    ),
    Difference(
        "segment-outside-the-calendar",
        (*SEGMENTS, *TASKS),
        VALUE,
        "OutOfCalendarError",
        "A segment before or after the calendar is an error; in Qlib it wraps around or is taken for another one.",
        some_bound_is_outside,
    ),
    Difference(
        "segment-without-a-session",
        (*SEGMENTS, *TASKS),
        VALUE,
        "SegmentError",
        "A segment that ends before it starts, or holds no session, is an error; Qlib goes on with it.",
        some_segment_is_empty,
    ),
    Difference(
        "truncated-to-nothing",
        (*TRUNCATION, *GENERATE, *HORIZONS),
        VALUE,
        "EmptySegmentError",
        "Truncation that leaves nothing of a segment is an error; Qlib puts it onto one day, often of another segment.",
        when.one_day_is_left,
    ),
    Difference(
        "truncation-moves-ends-inwards",
        TRUNCATION,
        VALUE,
        VALUE,
        "An end on no session moves to the session before, as everywhere; Qlib's `truncate` takes the one after.",
        when.ends_move_inwards,
    ),
    Difference(
        "minus-one-is-open",
        ("TimeAdjuster.align_seg", *HORIZONS),
        VALUE,
        VALUE,
        "An end of -1 is open; in Qlib it wraps around to the calendar's last session, perhaps of the future.",
        when.ends_are_open,
    ),
    Difference(
        "ends-mean-whole-days",
        WHOLE_DAYS,
        VALUE,
        VALUE,
        "An end that is a date means the whole day with all its bars, one that is a month its last day; in Qlib both are "
        "their first moment.",
        when.ends_mean_all_of_it,
    ),
    Difference(
        "lists-are-segments",
        ("TimeAdjuster.shift", *TRUNCATION),
        "NotImplementedError",
        VALUE,
        "A list is a segment like a tuple: YAML and JSON know no tuples.",
        lambda case, *_: any(isinstance(pair, list) for pair in segments_of(case).values()),
    ),
    Difference(
        "open-segments-are-truncated",
        (*TRUNCATION, *GENERATE, *HORIZONS),
        "TypeError",
        VALUE,
        "An open end is cut like any other, an open start stays open.",
        some_bound_is_open,
    ),
    Difference(
        "first-session-is-truncated",
        (*TRUNCATION, *GENERATE, *HORIZONS),
        "AssertionError",
        VALUE,
        "A segment that touches the calendar's first session may be truncated.",
        when.first_session_is_touched,
    ),
    Difference(
        "shifted-before-the-calendar",
        ("TimeAdjuster.shift",),
        VALUE,
        "OutOfCalendarError",
        "A shift that leaves the calendar at its beginning is an error; Qlib goes on from its end.",
        when.shift_goes_back,
    ),
    Difference(
        "shifted-off-by-one",
        ("TimeAdjuster.shift",),
        VALUE,
        "OutOfCalendarError",
        "A start one past the calendar is as far outside as two past it, which Qlib refuses.",
        when.start_became_open,
    ),
    Difference(
        "shrunk-to-nothing",
        ("TimeAdjuster.shift",),
        VALUE,
        "EmptySegmentError",
        "Moving only the end back to before the start leaves no segment.",
        when.shift_goes_back,
    ),
    Difference(
        "rolls-to-the-calendar-end",
        (*GENERATE, *FOLLOWING),
        "TypeError",
        VALUE,
        "Reaching the end of the calendar ends the rolling; Qlib fails when the next fold would start one past it.",
        when.next_fold_starts_at_the_end,
    ),
    Difference(
        "leak-is-refused",
        (*GENERATE, *FOLLOWING),
        VALUE,
        "LeakageError",
        "A segment that reaches into the test segment, or lies after it, is refused.",
        when.something_leaks,
    ),
    Difference(
        "unknown-rtype",
        GENERATE,
        VALUE,
        "SegmentError",
        "An unknown `rtype` is an error at once; Qlib slides.",
        when.rtype_is_unknown,
    ),
    Difference(
        "open-fold-opens-the-handler",
        ("RollingGen.generate", "task_generator", *FOLLOWING),
        VALUE,
        VALUE,
        "If the last fold is open the handler's end opens too, else the fold has no data; pyqlib 0.9.7 leaves the old end.",
        when.only_open_handlers_differ,
    ),
    Difference(
        "open-fold-is-closed",
        FOLLOWING,
        VALUE,
        VALUE,
        "After a fold that was open because the calendar ended, the next ones are as long as `step`; in Qlib all stay "
        "open, and overlap.",
        when.only_test_ends_differ,
    ),
    Difference(
        "times-of-several-kinds",
        ("trunc_segments",),
        "TypeError",
        VALUE,
        "Bounds may be texts, dates and times at once; Qlib compares them with each other.",
        lambda _, theirs, __: "ompare" in theirs["text"] or "not supported between" in theirs["text"],
    ),
    Difference(
        "handler-end-is-a-placeholder",
        (*GENERATE, *FOLLOWING),
        "ValueError",
        VALUE,
        'A handler\'s end such as `"<dataset.kwargs.segments.test.1>"` follows the fold by itself.',
        when.handler_end_is_a_placeholder,
    ),
    Difference(
        "test-end-of-any-kind",
        FOLLOWING,
        "TypeError",
        VALUE,
        "`test_end` may be a text, a date, or `None` for the last session so far.",
        when.test_end_is_no_timestamp,
    ),
    Difference(
        "date-without-a-neighbour",
        ("get_date_by_shift",),
        VALUE,
        "OutOfCalendarError",
        "A date outside the calendar is an error; Qlib counts from one before or one after the calendar.",
        when.date_has_no_neighbour,
    ),
)
