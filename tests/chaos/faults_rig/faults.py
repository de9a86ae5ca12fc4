"""The faults. Each takes a rig, does its worst, and gives figures; what must hold is asserted."""

from __future__ import annotations

import resource
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from faults_rig.checker import Verdict, check
from faults_rig.nest import shuffled
from faults_rig.rig import LEASE, POLL
from faults_rig.tasks import ODD, UNSTORABLE
from rollforward.errors import TaskError
from rollforward.workflow.task.codec import encode
from rollforward.workflow.task.store.query import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from faults_rig.log import Entry
    from faults_rig.rig import Rig

Figures = dict[str, Any]
_MB = 2**20
_WITHIN = LEASE + POLL + 0.5
_MANY, _IN_TIME = 1000, 0.985
# Until something that will happen has happened, on a machine that does other things too; and a lease that no machine is
# too slow to renew, where leases are not what is tried.
_PATIENCE, _LONG_LEASE = 120.0, 60.0


def _verdict(rig: Rig, *, is_over: bool = True) -> Verdict:
    verdict = check(rig.log.read(), rig.pool.store, is_over=is_over)
    assert not verdict.broken, (verdict.broken[:10], len(verdict.broken), rig.said())
    return verdict


def _spread(rig: Rig, mean: float) -> float:
    """Draw how long a task takes: between half and one and a half of the mean."""
    return round(mean * rig.random.uniform(0.5, 1.5), 4)


def kill(rig: Rig, n: int, seconds: float, mean: float, *, anybody: bool) -> Figures:
    """Kill workers at random, on average every `mean` seconds; or `anybody`: any process of a worker's family."""
    tasks = [{"n": i, "for": _spread(rig, seconds)} for i in range(n)]
    # However slow this process is: it is not over before somebody was killed.
    tasks[-1]["after"] = "kill"
    rig.submit(tasks)
    began = time.monotonic()
    # A worker takes a second or two of processor time to start, more than there is between two kills: with fresh ones
    # there would not be four. Those of the other fault, which is not measured, start as they do elsewhere.
    options = {"max_attempts": 20, "quick": not anybody}
    workers = [rig.start(**options) for _ in range(4)]
    # The first one at once: a short run may be over before chance has its turn.
    due = time.monotonic()
    deadline = began + 120 + n * seconds * 5
    n_hits = 0
    alive: list[int] = []
    while not rig.is_over():
        assert time.monotonic() < deadline, (rig.stat(), rig.said())
        for i, pid in enumerate(workers):
            if not rig.is_alive(pid):
                workers[i] = rig.start(**options)
        begun = {entry.pid for entry in rig.entries("claimed")}
        alive.append(sum(pid in begun and rig.is_alive(pid) for pid in workers))
        # One that has not begun to work has nothing to lose; the first victim has a task for sure.
        ready = [pid for pid in workers if pid in begun and (n_hits or _is_at_work(rig, pid))]
        if time.monotonic() >= due and not ready and n_hits:
            # Not kept for later: it would hit whoever begins first, again and again.
            due = time.monotonic() + rig.random.expovariate(1 / mean)
        elif time.monotonic() >= due and ready:
            victim = rig.random.choice(ready)
            if not n_hits:
                # Held still, so that it cannot finish its task between the look and the kill.
                rig.send(signal.SIGSTOP, victim, why="hold")
                if not _is_at_work(rig, victim):
                    rig.send(signal.SIGCONT, victim, why="let go")
                    continue
            if anybody and n_hits:
                victim = rig.random.choice(rig.family(victim))
            # Only the end of a whole worker leaves a lease to pass.
            rig.send(signal.SIGKILL, victim, why="kill" if victim in workers else "kill of a part")
            n_hits += 1
            due = time.monotonic() + rig.random.expovariate(1 / mean)
        time.sleep(0.02)
    verdict = _verdict(rig)
    assert verdict.n_done + verdict.n_failed == n
    assert verdict.reruns
    share = verdict.share_of_reruns_within(_WITHIN)
    if not anybody and n >= _MANY:
        # 99 % by the promise; of some ninety, one is more than 1 %.
        assert share >= _IN_TIME, sorted(verdict.reruns)[-10:]
    passed_over = _passed_over(rig, verdict)
    # Of a hundred, one may be late.
    assert len(passed_over) <= max(1, len(verdict.reruns) // 100), passed_over
    return {
        "tasks": n,
        "kills": n_hits,
        "attempts": verdict.n_attempts,
        "failed": verdict.n_failed,
        "reruns after a kill": len(verdict.reruns),
        "median rerun, s": round(verdict.median_rerun, 2),
        f"reruns within {_WITHIN:g} s, %": round(100 * share, 1),
        "later although a worker was free": len(passed_over),
        "workers alive, mean": round(sum(alive) / len(alive), 1),
        "seconds": round(time.monotonic() - began, 1),
    }


def _passed_over(rig: Rig, verdict: Verdict) -> list[tuple[str, int, float, float]]:
    """Give late reruns of tasks that were free while a worker claimed another one, which stands behind them.

    By the times that the store has given to claims: a line in the log comes later, by as much as the machine is busy,
    and a claim whose worker is killed before it has written the line is not in the log at all.
    """
    place = {entry.task: int(entry.detail["n"]) for entry in rig.entries("submitted")}
    shift = time.time() - time.monotonic()
    claims = {
        (str(task.id), attempt.number): attempt.started.timestamp() - shift
        for task in rig.pool.store.find(EVERYTHING)
        for attempt in task.attempts
    }
    found = []
    for task, attempt, killed, claimed in verdict.spans:
        again = claims[task, attempt + 1]
        others = (at for (other, _), at in claims.items() if place[other] > place[task])
        if claimed - killed > _WITHIN and any(killed + _WITHIN < at < again for at in others):
            found.append((task, attempt, killed, again))
    return found


def pause(rig: Rig, n: int, seconds: float, n_pauses: int, *, kind: str, whole: bool = True) -> Figures:
    """Stop workers for 1.8 leases while they hold a task, then let them go on.

    `kind` ``run_task``: the task is in the worker's own process, so it comes to its end late and tries to commit. A
    `worker` is stopped with all its processes (`whole`), or alone: its task must be ended in time then.
    """
    rig.submit([{"n": i, "for": _spread(rig, seconds)} for i in range(n)])
    began = time.monotonic()
    workers = [rig.start(kind, max_attempts=20) for _ in range(3)]
    paused: dict[int, tuple[float, list[int], Entry]] = {}
    done = 0
    while done < n_pauses or paused or not rig.is_over():
        assert time.monotonic() < began + 120 + n * seconds * 3 + 8 * LEASE * n_pauses, (rig.stat(), rig.said())
        assert all(rig.is_alive(pid) for pid in workers), rig.said()
        if done < n_pauses and len(paused) < len(workers) - 1 and not rig.is_over():
            victim = rig.random.choice([pid for pid in workers if pid not in paused])
            if _is_at_work(rig, victim):
                stopped = rig.family(victim) if whole else [victim]
                rig.send(signal.SIGSTOP, *stopped)
                if _is_at_work(rig, victim):
                    paused[victim] = (time.monotonic() + 1.8 * LEASE, stopped, _last_claim(rig, victim))
                    done += 1
                else:
                    # It has ended its task between the look and the signal.
                    rig.send(signal.SIGCONT, *stopped)
        elif done < n_pauses and rig.is_over():
            raise AssertionError(f"only {done} pauses before all tasks were done")
        for victim, (due, stopped, claim) in list(paused.items()):
            # Others may be slow too. Not for ever: it may have been stopped while it wrote to the store.
            if time.monotonic() >= (due if _has_another(rig, claim) else due + 3 * LEASE):
                rig.send(signal.SIGCONT, *stopped)
                del paused[victim]
        time.sleep(rig.random.uniform(0.01, 0.1))
    rig.until(lambda: not _open_attempts(rig, kind), _PATIENCE, "late attempts have ended")
    verdict = _verdict(rig)
    assert verdict.n_done == n
    if kind == "run_task":
        assert verdict.n_refused > 0
    if not whole:
        assert verdict.n_twice_at_work == 0
    return {
        "tasks": n,
        "pauses": done,
        "attempts": verdict.n_attempts,
        "attempts that were dropped": verdict.n_dropped,
        "late commits, all refused": verdict.n_refused,
        "late ends of a task": verdict.n_twice_at_work,
        "seconds": round(time.monotonic() - began, 1),
    }


def _is_at_work(rig: Rig, worker: int) -> bool:
    last = next((entry for entry in reversed(rig.log.read()) if entry.pid == worker), None)
    return last is not None and last.what in ("claimed", "start")


def _last_claim(rig: Rig, worker: int) -> Entry:
    return next(entry for entry in reversed(rig.entries("claimed")) if entry.pid == worker)


def _has_another(rig: Rig, claim: Entry) -> bool:
    """Tell whether somebody else was given the task of a claim."""
    return any(entry.task == claim.task and entry.attempt > claim.attempt for entry in rig.entries("claimed"))


def _open_attempts(rig: Rig, kind: str) -> list[tuple[int, str]]:
    """Give the last claims of workers that live, if no end of them is known."""
    # A worker ends a task that is somebody else's; with `run_task` it goes on to its end.
    ends = ("ended", "refused", "stale") if kind == "worker" else ("ended", "refused")
    found: dict[tuple[int, str, int], bool] = {}
    for entry in rig.log.read():
        if entry.what == "claimed":
            found[entry.pid, entry.task, entry.attempt] = True
        elif entry.what in ends:
            found.pop((entry.pid, entry.task, entry.attempt), None)
    latest = {key[0]: key for key in found}
    return [(pid, key[1]) for pid, key in latest.items() if rig.is_alive(pid)]


def terminate(rig: Rig, n_rounds: int, grace: float, more: float) -> Figures:
    """Send SIGTERM in mid task: to tasks that end within the grace, and to such that do not.

    The last words of a worker may take `more` seconds.
    """
    slowest, n_done, n_returned = 0.0, 0, 0
    for i in range(n_rounds):
        base = 10 * i
        (short, long, unseen) = rig.submit(
            [
                {"n": base, "for": round(grace * rig.random.uniform(0.1, 0.3), 3), "after": f"stop {i}"},
                {"n": base + 1, "for": 300.0},
                {"n": base + 2, "for": 0.0},
            ]
        )
        worker = rig.start(n=2, grace=grace, lease=_LONG_LEASE)
        rig.until(
            lambda base=base: _started(rig, base) and _started(rig, base + 1), _PATIENCE, "both tasks are under way"
        )
        asked = time.monotonic()
        rig.send(signal.SIGTERM, worker, why=f"stop {i}")
        code = rig.exit_code(worker, grace + 20)
        took = time.monotonic() - asked
        slowest = max(slowest, took)
        assert code == 0, (code, rig.said())
        assert took < grace + more, took
        found = {task_id: rig.pool.show(task_id) for task_id in (short, long, unseen)}
        assert found[short].status == "done"
        assert found[long].status == "waiting"
        assert found[long].tries == 0
        assert [attempt.outcome for attempt in found[long].attempts] == ["returned"]
        assert (found[unseen].status, found[unseen].attempt) == ("waiting", 0)
        n_done, n_returned = n_done + 1, n_returned + 1
        _verdict(rig, is_over=False)
        # Out of the way of the next round.
        rig.pool.prioritize({"status": "waiting"}, -1)
        rig.pool.cancel({"status": "waiting"})
    return {
        "workers stopped": n_rounds,
        "finished within the grace": n_done,
        "given back": n_returned,
        f"longest time to exit 0, grace {grace:g} s": round(slowest, 2),
    }


def _started(rig: Rig, number: int) -> bool:
    return any(entry.task == str(number) for entry in rig.entries("start"))


def poison(rig: Rig, n: int, n_poison: int) -> Figures:
    """Mix tasks that end their own process into good ones."""
    how = ("kill", "exit", "crash", "eat")
    reason = {"kill": "SIGKILL", "exit": "exit code 3", "crash": "SIGSEGV", "eat": "memory limit"}
    tasks = [{"n": i, "for": 0.01} for i in range(n)]
    tasks += [{"n": n + i, "do": how[i % len(how)]} for i in range(n_poison)]
    rig.random.shuffle(tasks)
    rig.submit(tasks)
    began = time.monotonic()
    workers = [rig.start(n=2, max_attempts=3, memory_limit=600 * _MB, lease=_LONG_LEASE) for _ in range(2)]
    rig.until_over(_PATIENCE + n_poison * 10)
    _verdict(rig)
    starts = [entry.task for entry in rig.entries("start")]
    for task in rig.pool.query():
        what = task["def"].get("do")
        if what is None:
            assert task["status"] == "done", task
        else:
            found = rig.pool.show(task["_id"])
            assert (found.status, found.tries) == ("failed", 3), found
            assert starts.count(str(task["def"]["n"])) == 3
            assert reason[what] in found.error, found.error
            assert [attempt.outcome for attempt in found.attempts] == ["error"] * 3
    assert all(rig.is_alive(pid) for pid in workers), rig.said()
    stat = rig.stat()
    return {
        "tasks": n + n_poison,
        "done": stat.get("done", 0),
        "failed after exactly 3 attempts": stat.get("failed", 0),
        "workers that died": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


def submit(rig: Rig, n: int, n_processes: int = 8) -> Figures:
    """Submit the same tasks from several processes at once, with their keys in different orders."""
    at = time.monotonic() + 1.0
    processes = [rig.start("submit", n=n, seed=rig.random.getrandbits(32), at=at) for _ in range(n_processes)]
    codes = [rig.exit_code(pid, 120) for pid in processes]
    took = max(entry.at for entry in rig.entries("sent")) - at
    assert codes == [0] * n_processes, rig.said()
    answers = [entry.detail["ids"] for entry in rig.entries("sent")]
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0].values())) == n
    assert rig.stat() == {"waiting": n}
    again = rig.pool.create_task(shuffled(n, seed=1))
    assert sorted(map(str, again)) == sorted(answers[0].values())
    return {"processes": n_processes, "tasks": n, "in the pool": sum(rig.stat().values()), "seconds": round(took, 2)}


def outage(rig: Rig, server: Any, n: int, seconds: float, away: float, n_outages: int) -> Figures:
    """Kill the server under load, and start it again after `away` seconds."""
    tasks = [{"n": i, "for": _spread(rig, seconds)} for i in range(n)]
    # However slow this process is: something is left to do when the server is back.
    tasks[-1]["after"] = "back"
    rig.submit(tasks)
    began = time.monotonic()
    workers = [rig.start(n=2) for _ in range(2)]
    resumed = []
    for i in range(n_outages):
        goal = n * (i + 1) // (n_outages + 2)
        rig.until(
            lambda goal=goal: _n_acknowledged(rig, 0.0) >= goal, _PATIENCE + n * seconds, f"{goal} tasks are done"
        )
        server.kill()
        time.sleep(away)
        # Between crash and start, by the clock that the store has: each claim is of before or of after it.
        rig.log.write("restart", time=time.time())
        server.start()
        back = time.monotonic()
        rig.log.write("back")
        rig.until(lambda back=back: _n_acknowledged(rig, back) > 0, _PATIENCE, "a worker commits again")
        resumed.append(_first_claim(rig, back) - back)
    rig.until_over(_PATIENCE + n * seconds)
    verdict = _verdict(rig)
    assert verdict.n_done == n
    assert all(rig.is_alive(pid) for pid in workers), rig.said()
    return {
        "tasks": n,
        "outages": n_outages,
        "seconds away": away,
        "longest until a task is claimed again, s": round(max(0.0, *resumed), 2),
        "attempts": verdict.n_attempts,
        "claims that a crash has undone": verdict.n_undone,
        "acknowledged commits lost": 0,
        "workers that died": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


def _n_acknowledged(rig: Rig, since: float) -> int:
    return sum(entry.at > since and entry.detail["outcome"] == "committed" for entry in rig.entries("ended"))


def _first_claim(rig: Rig, since: float) -> float:
    return next(entry.at for entry in rig.log.read() if entry.what in ("claimed", "ended") and entry.at > since)


def starve(rig: Rig, n: int, n_starving: int, lease: float, *, kind: str) -> Figures:
    """Hold the interpreter lock for three leases."""
    tasks: list[dict[str, Any]] = [{"n": i, "do": "starve", "for": 3 * lease} for i in range(n_starving)]
    rig.submit(tasks + [{"n": n_starving + i, "for": 0.1} for i in range(n)])
    began = time.monotonic()
    for _ in range(3):
        rig.start(kind, max_attempts=5, lease=lease)
    rig.until_over(_PATIENCE + n_starving * 6 * lease)
    rig.until(lambda: not _open_attempts(rig, kind), _PATIENCE, "late attempts have ended")
    verdict = _verdict(rig)
    assert verdict.n_done == n + n_starving
    if kind == "worker":
        # The heart of a worker beats in another process than its task.
        assert verdict.n_attempts == n + n_starving
    else:
        assert verdict.n_refused > 0
    return {
        "tasks": n + n_starving,
        "starving": n_starving,
        "attempts": verdict.n_attempts,
        "late commits, all refused": verdict.n_refused,
        "committed twice": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


def full_artifacts(rig: Rig, n: int, n_full: int) -> Figures:
    """Let the disk be full while the first attempt at a task saves what it made with its recorder."""
    rig.submit([{"n": i} | ({"do": "full"} if i < n_full else {}) for i in range(n)])
    began = time.monotonic()
    rig.start(func="recorded", n=2, preload=["rollforward.workflow.mlflow_backend"], lease=_LONG_LEASE)
    rig.until_over(_PATIENCE + 5 * n)
    tasks = list(rig.pool.store.find(EVERYTHING, bodies=True))
    assert [task.status for task in tasks] == ["done"] * n, (rig.stat(), rig.said())
    for document, task in zip(rig.pool.query(), tasks, strict=True):
        payload = document["res"].load().load_object("payload")
        assert payload.nbytes == 8 * _MB
        assert set(payload.tolist()) == {document["def"]["n"]}
        expected = ["error", "committed"] if "do" in document["def"] else ["committed"]
        assert [attempt.outcome for attempt in task.attempts] == expected, task.attempts
        if "do" in document["def"]:
            assert "cannot be written" in task.attempts[0].exception, task.attempts[0].exception
    return {
        "tasks": n,
        "disk full for": n_full,
        "tried again with the reason kept": n_full,
        "done without a readable result": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


def full_pool(rig: Rig, n: int, fill: Callable[[int], Callable[[], None]]) -> Figures:
    """Let the disk be full while results of 3 MB go to the pool, for two leases; `fill` fills it, and gives a remedy."""
    tasks: list[dict[str, Any]] = [{"n": i, "do": "big", "size": 3 * _MB} for i in range(n)]
    # The others have their results when the disk is full, however long that takes.
    rig.submit(tasks[:1] + [task | {"after": "full"} for task in tasks[1:]])
    began = time.monotonic()
    worker = rig.start(n=2, max_attempts=10)
    rig.until(lambda: _n_acknowledged(rig, 0.0) >= 1, _PATIENCE, "a first task is done")
    remedy = fill(worker)
    rig.log.write("full")
    # If no task was claimed in time, the next claim is what cannot be written.
    rig.until(
        lambda: rig.entries("unable") or "waits for the store" in rig.said(), _PATIENCE, "the pool cannot be written"
    )
    time.sleep(2 * LEASE)
    assert rig.is_alive(worker), rig.said()
    remedy()
    rig.until_over(_PATIENCE + n)
    verdict = _verdict(rig)
    assert verdict.n_done == n
    assert all(len(task["res"]["value"]) == 3 * _MB for task in rig.pool.query())
    assert rig.is_alive(worker), rig.said()
    return {
        "tasks": n,
        "writes that failed": len(rig.entries("unable")),
        "attempts": verdict.n_attempts,
        "done without a readable result": 0,
        "workers that died": 0,
        "seconds": round(time.monotonic() - began, 1),
    }


def limit_files(worker: int) -> Callable[[], None]:
    """Let files of a process grow no further."""
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (_MB, before[1]))
    return lambda: resource.prlimit(worker, resource.RLIMIT_FSIZE, before) and None


def odd(rig: Rig) -> Figures:
    """Submit and return values that stores are known to choke on."""
    plain = [{"n": i, "do": "odd", "value": name} for i, name in enumerate([*ODD, *UNSTORABLE])]
    stored = [{"n": 100 + i, "value": make()} for i, (name, make) in enumerate(ODD.items()) if name != "17 MB"]
    ids = rig.submit([*plain, *stored])
    again = rig.pool.create_task([dict(reversed(task.items())) for task in [*plain, *stored]])
    assert list(map(str, again)) == ids
    before = rig.stat()
    for make in [*UNSTORABLE.values(), ODD["17 MB"]]:
        with pytest.raises(TaskError, match="task 1"):
            rig.pool.create_task([{"n": 200, "for": 0}, {"n": 201, "value": make()}])
    assert rig.stat() == before
    began = time.monotonic()
    worker = rig.start(n=2, lease=_LONG_LEASE)
    rig.until_over(_PATIENCE)
    assert rig.is_alive(worker), rig.said()
    _verdict(rig)
    for task in rig.pool.query():
        name = task["def"]["value"] if "do" in task["def"] else ""
        if name in UNSTORABLE:
            found = rig.pool.show(task["_id"])
            assert (found.status, found.attempt) == ("failed", 1), found
            assert "result.value" in found.error, found.error
        else:
            assert task["status"] == "done", task
            if name:
                assert encode(task["res"]["value"]) == encode(ODD[name]()), name
    for task_id, task in zip(ids[len(plain) :], stored, strict=True):
        assert encode(rig.pool.re_query(task_id)["def"]) == encode(task)
    return {
        "results and definitions": len(plain) + len(stored),
        "stored and read again, equal": rig.stat()["done"],
        "refused with the place named": rig.stat()["failed"] + len(UNSTORABLE) + 1,
        "seconds": round(time.monotonic() - began, 1),
    }


def urgent(rig: Rig, n_low: int, n_high: int) -> Figures:
    """Submit tasks of high priority while those of low priority are worked on."""
    rig.submit([{"n": i, "for": 0.01} for i in range(n_low)])
    for _ in range(2):
        rig.start(n=2, lease=_LONG_LEASE)
    rig.until(lambda: len(rig.entries("start")) >= 8, _PATIENCE, "work has begun")
    high = rig.submit([{"n": n_low + i, "for": 0.01, "high": 1} for i in range(n_high)], priority=1)
    submitted = time.time()
    rig.until(lambda: set(high) <= {e.task for e in rig.entries("claimed")}, _PATIENCE, "all are claimed")
    # By the clock of the store: how long a process then takes to start its task is another matter.
    claimed = {entry.task: entry.detail["started"] for entry in rig.entries("claimed")}
    last = max(claimed[task] for task in high)
    n_before = sum(submitted < at < last for task, at in claimed.items() if task not in high)
    assert n_before < 5, n_before
    took = last - submitted
    return {
        "low": n_low,
        "high": n_high,
        "low ones claimed before the last high one": n_before,
        "seconds": round(took, 2),
    }
