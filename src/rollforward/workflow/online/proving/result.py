"""What was proved, as data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from rollforward.errors import ProofError
from rollforward.settings.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rollforward.workflow.recorder import Recorder

SAME, ROUNDED, DIFFERS, ABSENT = "same", "rounded", "differs", "absent"
PROOF_FILE, TABLE_FILE = "leak_proof.json", "leak_proof.csv"

_FORM = 1
_SHOWN = 5


@dataclass(frozen=True)
class Comparison:
    """One prediction of one run, made with all data and with the data cut after its date.

    Attributes
    ----------
    recorder_id
        The run.
    date
        The predicted session, ISO.
    n_rows
        Scores of that session.
    prediction
        ``"same"`` to the bit, or ``"differs"``.
    features
        The same of what the model is fed; ``"absent"`` if the dataset has no column group ``feature``.
    stored
        The stored scores against those made now with all data: ``"same"``, ``"rounded"`` (equal but for the last
        digits), ``"differs"`` or ``"absent"``.
    difference
        The largest difference between the scores of all and of cut data; 0 if they are the same, missing if rows are.
    sha256
        Of instruments and scores, made from cut data.
    """

    recorder_id: str
    date: str
    n_rows: int
    prediction: str
    features: str
    stored: str
    difference: float | None
    sha256: str

    @property
    def problem(self) -> str:
        """Say what is wrong; empty if nothing is."""
        if DIFFERS in (self.features, self.prediction):
            what = "features" if self.features == DIFFERS else "scores"
            return f"its {what} of {self.date} change when later data are taken away"
        if self.stored == DIFFERS:
            return f"its stored scores of {self.date} are not those that the data give now"
        return ""


@dataclass(frozen=True)
class Training:
    """What the training of one run knew.

    Attributes
    ----------
    recorder_id
        The run.
    serves_from
        The first session that it predicts, ISO.
    trained_until
        The last session before it that was trained or validated on; empty if unknown.
    labels_until
        The last session that a label of these knows; empty if the look-ahead is unknown.
    label_lookahead
        Sessions that labels look ahead; missing if unknown.
    fitted_until
        The last session that a processor learned from; empty if none learns.
    problem
        What is wrong; empty if nothing is.
    retrained
        The scores of a model that was trained anew, on the data before it serves, against those of the stored one:
        ``"same"``, ``"rounded"`` or ``"differs"``; empty if that was not tried.
    """

    recorder_id: str
    serves_from: str
    trained_until: str
    labels_until: str
    label_lookahead: int | None
    fitted_until: str
    problem: str
    retrained: str = ""


@dataclass(frozen=True)
class Proof:
    """The result of `prove`.

    Attributes
    ----------
    comparisons
        One for each run and sampled session.
    training
        One for each run.
    limits
        What cannot be seen from here, such as a loader that reads data by itself; each as ``"run: reason"``.
    sample, seed
        How the sessions were chosen; ``None`` where they were given.
    """

    comparisons: tuple[Comparison, ...]
    training: tuple[Training, ...]
    limits: tuple[str, ...] = ()
    sample: int | None = None
    seed: int | None = None

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, as ``"run: reason"``."""
        found: list[Training | Comparison] = [*self.training, *self.comparisons]
        return tuple(f"run {one.recorder_id}: {one.problem}" for one in found if one.problem)

    @property
    def ok(self) -> bool:
        """Whether something was compared and nothing is wrong."""
        return bool(self.comparisons) and not self.problems

    @property
    def is_complete(self) -> bool:
        """Whether it is ok and has no limits."""
        return self.ok and not self.limits

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        head = f"{counted(len(self.comparisons), 'session')} of {counted(len(self.training), 'run')} compared: "
        failed = counted(len(self.problems), "problem") if self.problems else "nothing proved"
        verdict = "no leak found" if self.ok else failed
        lines = [head + verdict, *(f"  problem: {text}" for text in self.problems)]
        return "\n".join([*lines, *(f"  limit: {text}" for text in self.limits)])

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415  # notebooks only

        return f"<p>{escape(str(self)).replace(chr(10), '<br>')}</p>{self.table.to_html()}"

    @property
    def table(self) -> pd.DataFrame:
        """One row per run and session: a `Comparison` beside the `Training` of its run."""
        names = [field.name for field in fields(Comparison)]
        left = pd.DataFrame([asdict(one) for one in self.comparisons], columns=names)
        right = pd.DataFrame([asdict(one) for one in self.training], columns=[field.name for field in fields(Training)])
        right = right.rename(columns={"problem": "training_problem"})
        return left.merge(right, on="recorder_id", how="outer", sort=False)

    def to_dict(self) -> dict[str, Any]:
        """Give plain data; `from_dict` reads them back."""
        parts = {name: list(part) if isinstance(part, tuple) else part for name, part in asdict(self).items()}
        return {"form": _FORM, "ok": self.ok, "problems": list(self.problems), **parts}

    def to_json(self) -> str:
        """Give `to_dict` as text: the same proof is the same text."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises
        ------
        ProofError
            If it is no proof, or one of a later version.
        """
        try:
            if data["form"] != _FORM:
                raise ProofError(f"The proof has the form {data['form']!r}.", f"form {_FORM}.", "Update rollforward.")
            return cls(
                tuple(Comparison(**one) for one in data["comparisons"]),
                tuple(Training(**one) for one in data["training"]),
                tuple(data["limits"]),
                data["sample"],
                data["seed"],
            )
        except (KeyError, TypeError) as error:
            raise ProofError(f"This is no proof: {error}.", "what Proof.to_dict() gave.") from error

    def of_run(self, recorder_id: str) -> Proof:
        """Take what concerns one run."""
        return Proof(
            tuple(one for one in self.comparisons if one.recorder_id == recorder_id),
            tuple(one for one in self.training if one.recorder_id == recorder_id),
            tuple(text for text in self.limits if text.startswith(f"run {recorder_id}: ")),
            self.sample,
            self.seed,
        )

    def attach(self, recorders: Recorder | Sequence[Recorder]) -> None:
        """Store ``leak_proof.json`` and ``leak_proof.csv`` in runs, in each what concerns it.

        A run that it does not concern, such as that of a routine, gets the whole of it.
        """
        known = {one.recorder_id for one in self.training}
        for recorder in recorders if isinstance(recorders, Sequence) else [recorders]:
            run_id = recorder.require_id()
            part = self.of_run(run_id) if run_id in known else self
            recorder.save_objects(**{PROOF_FILE: part.to_dict(), TABLE_FILE: part.table})

    def require(self, *, complete: bool = False) -> Self:
        """Insist on it.

        Parameters
        ----------
        complete
            Whether limits count too.

        Raises
        ------
        ProofError
            If it is not ok; names what is wrong.
        """
        wrong = [*self.problems, *(self.limits if complete else ())]
        if self.ok and not wrong:
            return self
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise ProofError(
            f"Nothing shows that the past is predicted without the future: {'; '.join(wrong[:_SHOWN])}{more}."
            if wrong
            else "Nothing was compared.",
            "predictions that stay the same when later data are taken away, by models that were trained before.",
            "proof.table has every session; docs/explanation/leak-proof.md says what the words mean.",
        )
