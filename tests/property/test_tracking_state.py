"""Any interleaving of starts, ends and logging in several contexts, and any keys and values, against plain dictionaries."""

from __future__ import annotations

import math
from contextvars import Context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rollforward.errors import TrackingError
from rollforward.workflow import active
from rollforward.workflow.active import FAILED, FINISHED, Scope

WHERE = st.sampled_from([(scope, context) for scope in range(2) for context in range(3)])


class FakeRecorder:
    """A recorder that knows what was logged to it, and how it ended."""

    def __init__(self):
        self.id = id(self)
        self.logged = []
        self.status = "RUNNING"

    @property
    def is_open(self):
        return self.status == "RUNNING"

    def end_run(self, status, *, error=None):
        assert self.is_open, "ended twice"
        self.status = status


class Stacks(RuleBasedStateMachine):
    """Two managers and three contexts (threads or tasks); the model is a list of runs for each pair, and a default run."""

    def __init__(self):
        super().__init__()
        self.scopes = [Scope(), Scope()]
        self.contexts = [Context() for _ in range(3)]
        self.stacks = {(scope, context): [] for scope in range(2) for context in range(3)}
        self.defaults = [None, None]
        self.expected = {}
        self.count = 0

    def call(self, context, function, *args):
        return self.contexts[context].run(function, *args)

    def top(self, where):
        self.prune()
        stack = self.stacks[where]
        return stack[-1] if stack else self.defaults[where[0]]

    def prune(self):
        for stack in self.stacks.values():
            stack[:] = [run for run in stack if run.recorder.is_open]
        self.defaults = [run if run and run.recorder.is_open else None for run in self.defaults]

    @rule(where=WHERE)
    def start(self, where):
        run = self.call(where[1], self.scopes[where[0]].push, "experiment", FakeRecorder())
        self.stacks[where].append(run)
        self.expected[run.recorder] = []

    @rule(where=WHERE)
    def log(self, where):
        top = self.top(where)
        run = self.call(where[1], self.scopes[where[0]].default, lambda: ("experiment", FakeRecorder()))
        if top is None:
            assert run.recorder not in self.expected
            self.defaults[where[0]] = run
        else:
            assert run is top
        self.count += 1
        self.expected.setdefault(run.recorder, []).append(self.count)
        run.recorder.logged.append(self.count)

    @rule(where=WHERE, depth=st.integers(0, 3), status=st.sampled_from([FINISHED, FAILED]))
    def end(self, where, depth, status):
        stack = self.stacks[where]
        self.prune()
        if not stack:
            return
        ending = stack[-1 - min(depth, len(stack) - 1) :]
        self.call(where[1], self.scopes[where[0]].end, ending[0], status)
        assert {run.recorder.status for run in ending} == {status}

    @rule(scope=st.integers(0, 1), context=st.integers(0, 2))
    def end_what_is_current(self, scope, context):
        top = self.top((scope, context))
        self.call(context, lambda: self.scopes[scope].end(self.scopes[scope].current(), FINISHED))
        assert top is None or top.recorder.status == FINISHED

    @precondition(lambda self: any(self.stacks.values()))
    @rule(data=st.data())
    def end_from_elsewhere(self, data):
        """A block that another thread leaves, or a recorder that is ended by itself."""
        self.prune()
        runs = [(where, run) for where, stack in self.stacks.items() for run in stack]
        if not runs:
            return
        (scope, _), run = data.draw(st.sampled_from(runs))
        if data.draw(st.booleans()):
            run.recorder.end_run(FINISHED)
        else:
            Context().run(self.scopes[scope].end, run, FAILED)

    @rule(origin=st.integers(0, 2), heir=st.integers(0, 2))
    def inherit(self, origin, heir):
        """A task that is started inside another one sees its runs; both have stacks of their own from then on."""
        self.contexts[heir] = self.contexts[origin].copy()
        for scope in range(2):
            self.stacks[scope, heir] = list(self.stacks[scope, origin])

    @invariant()
    def each_context_sees_its_own(self):
        for (scope, context), stack in list(self.stacks.items()):
            top = self.top((scope, context))
            assert self.call(context, self.scopes[scope].current) is top
            assert list(self.call(context, self.scopes[scope].runs)) == stack
        for recorder, logged in self.expected.items():
            assert recorder.logged == logged

    def teardown(self):
        active.end_all()
        assert active.open_runs() == []
        assert all(not recorder.is_open for recorder in self.expected)


TestStacks = Stacks.TestCase
TestStacks.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
NUMBERS = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.booleans())
TEXTS = st.one_of(st.text(max_size=20), st.integers(), st.none(), st.lists(st.integers(), max_size=3))


def is_key(key):
    """What MLflow documents: letters, digits, _ - . : / and blanks, and no path that leaves the run."""
    parts = key.split("/")
    return all(char.isalnum() or char in "_-.:/ " for char in key) and not {"", ".", ".."} & set(parts)


@pytest.fixture
def one_run(recording):
    """One run for all examples, with a dictionary of what was accepted."""
    with recording.start(experiment_name="any"):
        yield recording, {"metrics": {}, "params": dict(recording.get_recorder().list_params()), "tags": {}}


@given(st.lists(st.tuples(KEYS, NUMBERS, TEXTS, TEXTS), max_size=8))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_what_was_accepted_is_there_and_what_was_not_said_so(one_run, rows):
    recording, model = one_run
    recorder = recording.get_recorder()
    for key, number, param, tag in rows:
        for kind, call, value in (
            ("metrics", recording.log_metrics, number),
            ("params", recording.log_params, param),
            ("tags", recording.set_tags, tag),
        ):
            if key in {"step", "self"}:
                continue
            try:
                call(**{key: value})
            except (TrackingError, TypeError, ValueError):
                assert not is_key(key) or abs(number) > 2**1000, (key, value)
                continue
            if kind == "params":
                model[kind].setdefault(key, str(value))
            else:
                model[kind][key] = value if kind == "metrics" else str(value)
    try:
        recording.flush()
    except TrackingError as error:
        assert "was logged" in str(error)  # noqa: PT017  # a param that has another value already
    check(recorder, model)


def check(recorder, model):
    assert recorder.list_params() == model["params"]
    tags = recorder.list_tags()
    assert {key: tags.get(key) for key in model["tags"]} == model["tags"]
    found = recorder.list_metrics()
    assert set(found) == set(model["metrics"])
    for key, value in model["metrics"].items():
        assert found[key] == pytest.approx(bounded(value), rel=1e-15, abs=0, nan_ok=True), key


def bounded(value):
    """SQLite keeps the infinities as the greatest numbers."""
    number = float(value)
    return math.copysign(1.7976931348623157e308, number) if math.isinf(number) else number
