"""A task that is copied many times is copied as it would be once."""

from hypothesis import given
from hypothesis import strategies as st

from rollforward.workflow.task.base import copier_of, copy_task


class Live:
    """Something that is shared, never copied."""


LIVE = Live()
TASKS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(LIVE),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=25,
)


def containers(task):
    if isinstance(task, dict | list):
        yield id(task)
    if isinstance(task, dict | list | tuple):
        for value in task.values() if isinstance(task, dict) else task:
            yield from containers(value)


@given(TASKS)
def test_prepared_copies_are_equal_and_share_nothing_that_can_change(task):
    make = copier_of(task)

    first, second = make(), make()

    assert first == second == copy_task(task) == task
    assert not set(containers(first)) & (set(containers(second)) | set(containers(task)))


def test_live_objects_and_unusual_containers_are_treated_as_by_a_single_copy():
    class Odd(dict):
        """A mapping of a user's own."""

    odd = Odd(a=[1])
    made = copier_of({"handler": LIVE, "odd": odd})()

    assert made["handler"] is LIVE
    assert made == copy_task({"handler": LIVE, "odd": odd})
    assert type(made["odd"]) is type(copy_task(odd))
