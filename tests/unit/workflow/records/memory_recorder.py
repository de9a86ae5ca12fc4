"""A recorder in memory, with the methods that records use."""

from __future__ import annotations

from rollforward.errors import MissingArtifactError


class MemoryRecorder:
    """What was saved and logged, in dictionaries."""

    id = "run-1"

    def __init__(self, objects=()):
        self.objects = dict(objects)
        self.metrics = {}

    def save_objects(self, local_path=None, artifact_path=None, **kwargs):
        self.objects |= {f"{artifact_path}/{name}" if artifact_path else name: value for name, value in kwargs.items()}

    def load_object(self, name):
        if name not in self.objects:
            raise MissingArtifactError(f"There is no {name}.")
        return self.objects[name]

    def list_artifacts(self, artifact_path=None):
        prefix = f"{artifact_path}/" if artifact_path else ""
        return sorted(
            {prefix + name.removeprefix(prefix).split("/")[0] for name in self.objects if name.startswith(prefix)}
        )

    def log_metrics(self, step=None, **kwargs):
        self.metrics |= kwargs
