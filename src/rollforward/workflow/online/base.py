"""What every strategy of models that serve is asked, and what it is as data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rollforward.errors import ExperimentNotFoundError, OnlineError
from rollforward.workflow.online.definition import definition_of, options_of
from rollforward.workflow.online.ledger.parts import SERVING, SHADOW
from rollforward.workflow.online.promotion import PromotionRule
from rollforward.workflow.online.utils import NotingTool, OnlineTool, OnlineToolR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rollforward.data.times import TimeLike
    from rollforward.workflow.task.base import Task
    from rollforward.workflow.task.collect import Collector


class OnlineStrategy(ABC):
    """Decides which tasks are trained, and which of the trained models serve.

    Parameters
    ----------
    name_id
        Unique among the strategies of a store: it names the experiment of the models.
    role
        ``"serving"``: its predictions are part of the signals. ``"shadow"``: it is trained and predicts every day, and
        enters no signal.
    promotion
        When a strategy in shadow comes to serve: a `PromotionRule`, or the dictionary of one. ``None``: when it is
        told to.

    Raises
    ------
    OnlineError
        If the role is neither.
    """

    def __init__(
        self, name_id: str, *, role: str = SERVING, promotion: PromotionRule | Mapping[str, Any] | None = None
    ) -> None:
        self.name_id = name_id
        self.exp_name = name_id
        self.role = role
        self.promotion = PromotionRule(**promotion) if isinstance(promotion, Mapping) else promotion
        self.tool: OnlineTool = OnlineToolR(name_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name_id!r}, role={self.role!r})"

    @property
    def role(self) -> str:
        """Whether its predictions are part of the signals (``"serving"``) or not (``"shadow"``)."""
        return self._role

    @role.setter
    def role(self, role: str) -> None:
        if role not in (SERVING, SHADOW):
            raise OnlineError(f"role={role!r}.", f"{SERVING!r} or {SHADOW!r}.")
        self._role = role

    @abstractmethod
    def first_tasks(self) -> list[Task]:
        """Make the tasks to begin with."""

    @abstractmethod
    def prepare_tasks(self, cur_time: TimeLike | None = None) -> list[Task]:
        """Make the tasks that are due at the close of a session, ``None``: of the last one so far."""

    @abstractmethod
    def get_collector(self) -> Collector:
        """Make a collector of what the models predict."""

    def prepare_online_models(self, trained_models: Sequence[Any], cur_time: TimeLike | None = None) -> list[Any]:  # noqa: ARG002  for those who override it
        """Put models online, and return those that are online then.

        Parameters
        ----------
        trained_models
            What was trained for this session: all of it goes online. Nothing: what is online stays.
        cur_time
            The session; ``None``: the last one so far.
        """
        if not trained_models:
            return self._online()
        self.tool.reset_online_tag(list(trained_models))
        return list(trained_models)

    def definition(self) -> dict[str, Any]:
        """Describe the strategy as plain JSON, of which `strategy_from` makes it again; its role is no part of it.

        Raises
        ------
        OnlineError
            If something in it is no data, such as a lambda, a fitted model or a frame; names the place.
        """
        return definition_of(self)

    def options(self) -> dict[str, Any]:
        """Collect the arguments that make this strategy again, as data.

        A subclass that keeps each argument in an attribute of the same name need not override this.
        """
        rule = None if self.promotion is None else self.promotion.to_dict()
        options = options_of(self, {"name_id": self.name_id, "promotion": rule})
        return {name: value for name, value in options.items() if name != "role"}

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> OnlineStrategy:
        """Make a strategy of what `options` returned."""
        return cls(**options)

    def _online(self) -> list[Any]:
        try:
            return self.tool.online_models()
        except ExperimentNotFoundError:
            return []  # nothing was trained yet


def chosen(
    strategy: OnlineStrategy,
    trained: Sequence[Any],
    current: Sequence[Any],
    cur_time: TimeLike | None = None,
    **model_kwargs: Any,
) -> list[Any]:
    """Ask a strategy which models it puts online, without putting them online.

    Parameters
    ----------
    strategy
        Its `prepare_online_models` is called; the tool that it finds then only notes what it is told.
    trained, cur_time, **model_kwargs
        Go there.
    current
        What is online.
    """
    tool, strategy.tool = strategy.tool, NotingTool(current)
    try:
        return list(strategy.prepare_online_models(list(trained), cur_time, **model_kwargs))
    finally:
        strategy.tool = tool
