"""MLflow's own idea of the active run, kept equal to ours while a recorder is active.

``mlflow.autolog()`` and ``mlflow.log_*`` write to a stack per thread, to a tracking address and to an experiment that
are global to the process. While at least one recorder is active they follow the newest one; when the last one ends they
are as they were before the first.

The stack is set directly: ``mlflow.start_run(run_id=...)`` costs four requests, refuses while another experiment is
set, and its counterpart can end a run only in the thread that started it. A test pins the names used here.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow.tracking._tracking_service.utils
import mlflow.tracking.fluent

from rollforward.workflow.mlflow_backend.store.address import opened_uri

if TYPE_CHECKING:
    from mlflow.entities import Run

_URI_VARIABLE = "MLFLOW_TRACKING_URI"

# Private parts of MLflow, and untyped.
_fluent: Any = mlflow.tracking.fluent
_service: Any = mlflow.tracking._tracking_service.utils  # noqa: SLF001


@dataclass(eq=False)
class Binding:
    """One recorder that MLflow's fluent functions write to."""

    uri: str
    run: Run
    stack: list[Any]


@dataclass(frozen=True)
class _Globals:
    """What MLflow keeps for the whole process."""

    uri: str | None
    variable: str | None
    experiment_id: str | None

    @classmethod
    def read(cls) -> _Globals:
        return cls(_service._tracking_uri, os.environ.get(_URI_VARIABLE), _fluent._active_experiment_id)  # noqa: SLF001

    def write(self) -> None:
        _service.set_tracking_uri(self.uri)
        _fluent._active_experiment_id = self.experiment_id  # noqa: SLF001
        if self.variable is None:
            os.environ.pop(_URI_VARIABLE, None)
        else:
            os.environ[_URI_VARIABLE] = self.variable


class _Bindings:
    """The bound recorders of all threads, and the globals from before the first of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bound: list[Binding] = []
        self._before: _Globals | None = None

    def bind(self, uri: str, run: Run) -> Binding:
        binding = Binding(opened_uri(uri), run, _fluent._active_run_stack.get())  # noqa: SLF001
        with self._lock:
            if self._before is None:
                self._before = _Globals.read()
            self._bound.append(binding)
            self._follow(binding)
        binding.stack.append(_fluent.ActiveRun(run))
        return binding

    def unbind(self, binding: Binding) -> None:
        run_id = binding.run.info.run_id
        binding.stack[:] = [item for item in binding.stack if item.info.run_id != run_id]
        with self._lock:
            if binding in self._bound:
                self._bound.remove(binding)
            if self._bound:
                self._follow(self._bound[-1])
            elif self._before is not None:
                self._before.write()
                self._before = None

    def _follow(self, binding: Binding) -> None:
        _Globals(binding.uri, binding.uri, binding.run.info.experiment_id).write()


_bindings = _Bindings()
bind = _bindings.bind
unbind = _bindings.unbind
