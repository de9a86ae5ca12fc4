"""What must hold at the end of every run. Reads the log and the final pool, and nothing else."""

from __future__ import annotations

from bisect import bisect
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faults_rig.watched import token_of
from rollforward.workflow.task.store.base import COMMITTED, DONE, FAILED
from rollforward.workflow.task.store.query import EVERYTHING

if TYPE_CHECKING:
    from faults_rig.log import Entry


@dataclass
class Verdict:
    """What was found; each of `broken` is a promise that does not hold."""

    n_tasks: int = 0
    n_done: int = 0
    n_failed: int = 0
    n_attempts: int = 0
    n_refused: int = 0
    #: Attempts that noticed that they are somebody else's: when they renewed their lease, or when they ended.
    n_dropped: int = 0
    n_kills: int = 0
    #: Claims that a crash of the server has undone.
    n_undone: int = 0
    n_twice_at_work: int = 0
    #: Seconds from the kill of a worker to the next claim of the task that it had.
    reruns: list[float] = field(default_factory=list)
    #: The same, as the task, the attempt that was killed, and the moments of the kill and of the claim.
    spans: list[tuple[str, int, float, float]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def share_of_reruns_within(self, seconds: float) -> float:
        return sum(delay <= seconds for delay in self.reruns) / len(self.reruns) if self.reruns else 1.0

    @property
    def median_rerun(self) -> float:
        return sorted(self.reruns)[len(self.reruns) // 2] if self.reruns else 0.0


def check(entries: list[Entry], store: Any, *, is_over: bool = True) -> Verdict:
    """Compare the log with the pool.

    Parameters
    ----------
    entries
        Of the log, in their order.
    store
        The pool.
    is_over
        Whether all tasks should be done or failed.
    """
    pool = {str(task.id): task for task in store.find(EVERYTHING, bodies=True)}
    numbers = {entry.task: entry.detail["n"] for entry in entries if entry.what == "submitted"}
    verdict = Verdict(n_tasks=len(numbers))
    verdict.n_done = sum(task.status == DONE for task in pool.values())
    verdict.n_failed = sum(task.status == FAILED for task in pool.values())
    verdict.n_attempts = sum(entry.what == "claimed" for entry in entries)
    verdict.n_refused = sum(entry.what == "refused" for entry in entries)
    verdict.n_dropped = len({(entry.task, entry.attempt) for entry in entries if entry.what in ("refused", "stale")})
    verdict.broken += [
        f"task {number} ({task_id}) is lost" for task_id, number in numbers.items() if task_id not in pool
    ]
    verdict.broken += [f"task {task_id} was never submitted" for task_id in pool if task_id not in numbers]
    if is_over:
        verdict.broken += [
            f"task {i} is {task.status}" for i, task in pool.items() if task.status not in (DONE, FAILED)
        ]
    _check_commits(entries, pool, verdict)
    _check_results(entries, pool, numbers, verdict)
    _check_claims(entries, verdict)
    _measure_reruns(entries, pool, verdict)
    _count_twice_at_work(entries, verdict)
    return verdict


def _check_commits(entries: list[Entry], pool: dict[str, Any], verdict: Verdict) -> None:
    said = defaultdict(set)
    for entry in entries:
        if entry.what == "ended" and entry.detail["outcome"] == COMMITTED:
            said[entry.task].add((entry.attempt, entry.token))
    for task_id, task in pool.items():
        committed = [attempt.number for attempt in task.attempts if attempt.outcome == COMMITTED]
        if len(committed) > 1 or len(said[task_id]) > 1:
            verdict.broken.append(f"task {task_id} is committed twice: {committed}, {sorted(said[task_id])}")
        for attempt, token in said[task_id]:
            if committed != [attempt] or token != token_of(task.result) or task.status != DONE:
                verdict.broken.append(f"task {task_id}: the commit of attempt {attempt} was acknowledged, and is lost")
        if (task.status == DONE) != bool(committed):
            verdict.broken.append(f"task {task_id} is {task.status} with commits {committed}")


def _check_results(entries: list[Entry], pool: dict[str, Any], numbers: dict[str, str], verdict: Verdict) -> None:
    made = {(entry.task, entry.token) for entry in entries if entry.what == "end"}
    refused = {entry.token for entry in entries if entry.what == "refused" and entry.token}
    for task_id, task in pool.items():
        token = token_of(task.result)
        if task.status != DONE:
            continue
        if task.result is None:
            verdict.broken.append(f"task {task_id} is done without a result")
        elif token and (numbers.get(task_id), token) not in made:
            verdict.broken.append(f"task {task_id} has a result that none of its attempts made")
        if token in refused:
            verdict.broken.append(f"task {task_id} has the result of an attempt that was refused")


def _check_claims(entries: list[Entry], verdict: Verdict) -> None:
    # A crash of the server may undo a claim, and somebody else makes the same attempt then, under another nonce.
    claims: Counter[tuple[str, int, int]] = Counter()
    nonces: Counter[str] = Counter()
    crashes = [entry.detail["time"] for entry in entries if entry.what == "restart"]
    for entry in entries:
        if entry.what == "claimed":
            claims[entry.task, entry.attempt, bisect(crashes, entry.detail["started"])] += 1
            nonces[entry.detail.get("nonce", "")] += 1
    verdict.broken += [f"attempt {a} at task {t} was claimed {n} times" for (t, a, _), n in claims.items() if n > 1]
    verdict.broken += [f"{n} claims have the nonce {nonce}" for nonce, n in nonces.items() if nonce and n > 1]
    verdict.n_undone = sum(claims.values()) - len({(task, attempt) for task, attempt, _ in claims})
    over: dict[str, int] = {}
    for entry in entries:
        if entry.what == "ended" and entry.detail["outcome"] == COMMITTED:
            over[entry.task] = entry.attempt
        # A process that was stopped may say late that it has claimed an earlier attempt.
        elif entry.what == "claimed" and entry.attempt > over.get(entry.task, entry.attempt):
            verdict.broken.append(f"task {entry.task} was claimed again after its commit")


def _measure_reruns(entries: list[Entry], pool: dict[str, Any], verdict: Verdict) -> None:
    """Follow each task that a killed worker held to its next claim."""
    held: dict[int, set[tuple[str, int]]] = defaultdict(set)
    open_since: dict[tuple[str, int], float] = {}
    for entry in entries:
        if entry.what == "claimed":
            for waiting in [key for key in open_since if key[0] == entry.task]:
                killed = open_since.pop(waiting)
                verdict.spans.append((*waiting, killed, entry.at))
                verdict.reruns.append(entry.at - killed)
            held[entry.pid].add((entry.task, entry.attempt))
        elif entry.what in ("ended", "refused"):
            held[entry.pid].discard((entry.task, entry.attempt))
        elif entry.what == "kill":
            verdict.n_kills += 1
            for key in held.pop(entry.detail["victim"], set()):
                open_since[key] = entry.at
    for task_id, attempt in open_since:
        task = pool.get(task_id)
        # Its commit was on the way and has arrived; nobody could say so any more.
        arrived = task is not None and any(one.number == attempt and one.outcome != "lost" for one in task.attempts)
        if not arrived:
            verdict.broken.append(f"task {task_id}: attempt {attempt} was killed and nobody tried again")


def _count_twice_at_work(entries: list[Entry], verdict: Verdict) -> None:
    """Count attempts that came to their end after another one had begun."""
    latest: dict[str, str] = {}
    for entry in entries:
        if entry.what == "start":
            latest[entry.task] = entry.token
        elif entry.what == "end" and latest.get(entry.task) != entry.token:
            verdict.n_twice_at_work += 1
