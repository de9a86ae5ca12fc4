"""Records of both sides, on a run in memory."""

from types import SimpleNamespace


def run_in_memory(names, **objects):
    """A recorder with the methods that records use."""
    stored, metrics = {name: value for name, value in objects.items() if value is not None}, {}

    def load_object(name):
        if name not in stored:
            raise names.LoadObjectError(f"there is no {name}")
        return stored[name]

    def save_objects(local_path=None, artifact_path=None, **kwargs):
        stored.update({f"{artifact_path}/{name}" if artifact_path else name: value for name, value in kwargs.items()})

    def list_artifacts(artifact_path=None):
        prefix = f"{artifact_path}/" if artifact_path else ""
        rest = [name.removeprefix(prefix) for name in stored if name.startswith(prefix)]
        return sorted({prefix + name.split("/")[0] for name in rest})

    return SimpleNamespace(
        id="run",
        experiment_id="experiment",
        stored=stored,
        metrics=metrics,
        load_object=load_object,
        save_objects=save_objects,
        list_artifacts=list_artifacts,
        log_metrics=lambda step=None, **kwargs: metrics.update(kwargs),
    )


def record(name):
    def call(names, pred, label, options):
        recorder = run_in_memory(names, **{"pred.pkl": pred, "label.pkl": label})
        getattr(names, name)(recorder, **options).generate()
        given = ("pred.pkl", "label.pkl")
        files = {file: plain(recorder.stored[file]) for file in sorted(recorder.stored) if file not in given}
        return {"metrics": {key: recorder.metrics[key] for key in sorted(recorder.metrics)}, "files": files}

    return call


def several_segments(names, segments):
    """Each segment is a pair: what the model predicts, and the label."""

    class Labels(names.DatasetH):
        def __init__(self):
            pass

        def prepare(self, segments, **kwargs):
            return given[segments][1]

        prepare_rows = prepare

    given = segments
    model = SimpleNamespace(predict=lambda dataset, segment: given[segment][0])
    recorder = run_in_memory(names)
    names.MultiSegRecord(model, Labels(), recorder).generate({name: name for name in segments}, save=True)
    return {
        file: {key: plain(result[key]) for key in sorted(result)} for file, result in sorted(recorder.stored.items())
    }


def plain(value):
    return value.rename(None) if hasattr(value, "rename") else value


RECORD_CALLS = {
    **{name: record(name) for name in ("SigAnaRecord", "HFSignalRecord", "SignalMseRecord")},
    "MultiSegRecord": several_segments,
}
