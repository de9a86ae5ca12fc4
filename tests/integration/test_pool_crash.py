"""A crash of the MongoDB server right after claims: they are held, or were never made."""

import pytest

from rollforward.errors import StaleClaimError
from rollforward.workflow.task.manage import TaskManager
from rollforward.workflow.task.store.opening import open_store


def test_a_claim_that_a_crash_has_undone_is_made_again_and_one_of_the_two_commits(own_mongod):
    pool = TaskManager("pool", open_store("pool", own_mongod.url, "crash", 60.0))
    pool.create_task([{"n": n} for n in range(40)])
    held = [pool.claim(lease=600) for _ in range(40)]
    own_mongod.kill()
    own_mongod.start()
    undone = pool.task_stat().get("waiting", 0)
    again = {}
    while (claim := pool.claim()) is not None:
        again[claim.id] = claim
    # How many there are is up to the moment; each is made once more, as the same attempt.
    assert len(again) == undone
    assert {claim.attempt for claim in again.values()} <= {1}
    for claim in held:
        if claim.id not in again:
            claim.commit("held")
            continue
        for late in (lambda claim=claim: claim.commit("undone"), claim.renew, claim.give_back):
            with pytest.raises(StaleClaimError):
                late()
        again[claim.id].commit("again")
    assert pool.task_stat() == {"done": 40}
    for task in pool.query():
        assert task["res"] == ("again" if task["_id"] in again else "held")
        assert [attempt.outcome for attempt in pool.show(task["_id"]).attempts] == ["committed"]
