"""Which workflow files of a folder are run."""

import pytest

from rollforward.errors import DataSourceError, SettingsError
from rollforward.workflow.batch.discover import Selection, find_entries, select, split_names

FILES = {
    "LightGBM": ["lightgbm_Alpha158", "lightgbm_Alpha158_csi500", "lightgbm_Alpha360"],
    "Linear": ["linear_Alpha158"],
    "GRU": ["gru_Alpha158", "gru_Alpha360"],
    "__pycache__": ["x_Alpha158"],
    ".git": ["x_Alpha158"],
}


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "benchmarks"
    for model, names in FILES.items():
        (place / model).mkdir(parents=True)
        for name in names:
            (place / model / f"workflow_config_{name}.yaml").write_text("task: {}", encoding="utf-8")
    (place / "LightGBM" / "requirements.txt").write_text("lightgbm\n", encoding="utf-8")
    (place / "GRU" / "requirements.txt").write_text("# nothing\n\n", encoding="utf-8")
    (place / "base.yaml").write_text("task: {}", encoding="utf-8")
    return place


def chosen(folder, **wanted):
    return [
        entry.config.stem.removeprefix("workflow_config_")
        for entry in select(find_entries(folder), Selection(**wanted))
    ]


def test_every_workflow_file_of_every_model_is_found(folder):
    entries = find_entries(folder)

    assert [entry.label for entry in entries] == [
        *("GRU Alpha158", "GRU Alpha360"),
        *("LightGBM Alpha158", "LightGBM Alpha158_csi500", "LightGBM Alpha360"),
        "Linear",
    ]
    assert {entry.model for entry in entries if entry.requirements} == {"LightGBM"}


def test_a_folder_with_one_file_of_any_name_is_a_model_and_one_with_several_is_not(folder, caplog):
    for model, names in {
        "One": ["anything.yml"],
        "Two": ["a.yaml", "b.yaml"],
        "Both": ["a.yaml", "workflow_config_x.yaml"],
    }.items():
        (folder / model).mkdir()
        for name in names:
            (folder / model / name).write_text("task: {}", encoding="utf-8")

    found = {entry.model: entry.config.name for entry in find_entries(folder) if entry.model in ("One", "Two", "Both")}

    assert found == {"One": "anything.yml", "Both": "workflow_config_x.yaml"}
    (said,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert "Two" in said


def test_models_are_chosen_and_left_out_in_any_case(folder):
    assert chosen(folder, models=["linear", "gru"], dataset="Alpha158") == ["gru_Alpha158", "linear_Alpha158"]
    assert chosen(folder, exclude=["GRU", "lightgbm"]) == ["linear_Alpha158"]


def test_a_dataset_without_a_universe_leaves_out_those_of_a_universe(folder):
    assert chosen(folder, dataset="alpha158") == ["gru_Alpha158", "lightgbm_Alpha158", "linear_Alpha158"]
    assert chosen(folder, dataset="Alpha158", universe="csi500") == ["lightgbm_Alpha158_csi500"]
    assert chosen(folder, universe="csi500") == ["lightgbm_Alpha158_csi500"]
    assert chosen(folder, dataset="Alpha360") == ["gru_Alpha360", "lightgbm_Alpha360"]


def test_a_name_that_does_not_exist_is_corrected(folder):
    with pytest.raises(SettingsError, match="Did you mean 'LightGBM'"):
        chosen(folder, models=["LihgtGBM"])
    with pytest.raises(SettingsError, match="--exclude names 'MLP'"):
        chosen(folder, exclude=["MLP"])
    with pytest.raises(SettingsError, match="Did you mean 'alpha158'"):
        chosen(folder, dataset="Alfa158")
    with pytest.raises(SettingsError, match="Nothing is left"):
        chosen(folder, models=["Linear"], dataset="Alpha360")


def test_a_folder_without_models_is_refused(tmp_path):
    with pytest.raises(DataSourceError, match="There is no folder"):
        find_entries(tmp_path / "nowhere")
    with pytest.raises(DataSourceError, match="has no model"):
        find_entries(tmp_path)


def test_names_come_with_commas_or_one_by_one():
    assert split_names(["A,B", " C ", "D, ,E"]) == ("A", "B", "C", "D", "E")
