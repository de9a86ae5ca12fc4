"""Programs: what changes, to the character, and what is reported."""

import pytest

from rollforward.migrate.draft import Draft
from rollforward.migrate.edits import apply
from rollforward.migrate.python import rewrite_python

LOADER = "rollforward.data.loader"


def rewritten(text):
    draft = rewrite_python(text)
    after = apply(text, draft.edits)
    again = rewrite_python(after)
    assert apply(after, again.edits) == after, "a second time changes something"
    return after


def findings(text, kind=None):
    return [(found.line, found.what) for found in rewrite_python(text).findings if kind is None or found.kind == kind]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import qlib\n", "import rollforward\n"),
        ("import qlib\nqlib.init()\n", "import rollforward\nrollforward.init()\n"),
        ("import qlib as q\nq.init()\n", "import rollforward as q\nq.init()\n"),
        (
            "import qlib\nwith qlib.workflow.R.start(): pass\n",
            "import rollforward.workflow\nwith rollforward.workflow.R.start(): pass\n",
        ),
        (
            "import qlib\nqlib.init()\nprint(qlib.workflow.R)\n",
            "import rollforward\nimport rollforward.workflow\nrollforward.init()\nprint(rollforward.workflow.R)\n",
        ),
        ("import os, qlib  # both\nqlib.init()", "import os, rollforward  # both\nrollforward.init()"),
        ("import qlib.workflow as w\nw.R\n", "import rollforward.workflow as w\nw.R\n"),
        ("import qlib.model.trainer as t\nt.TrainerR\n", "import rollforward.workflow.trainer as t\nt.TrainerR\n"),
        (
            "import qlib.model.trainer\nqlib.model.trainer.TrainerR()\n",
            "import rollforward.workflow.trainer\nrollforward.workflow.trainer.TrainerR()\n",
        ),
        ("import qlib.workflow.task.gen\n", "import rollforward.workflow.task.gen\n"),
        (
            "import qlib.data.dataset as d\nd.DatasetH, d.DataHandlerLP\n",
            (
                "import rollforward.data.handler\nimport rollforward.data.dataset as d\n"
                "d.DatasetH, rollforward.data.handler.DataHandlerLP\n"
            ),
        ),
        ("import qlib.data.dataset as d\nd.DataHandlerLP\n", "import rollforward.data.handler as d\nd.DataHandlerLP\n"),
        (
            "import qlib as q\nq.workflow.R\n",
            "import rollforward.workflow\nimport rollforward as q\nrollforward.workflow.R\n",
        ),
        (
            "import qlib.workflow as qw\nqw.record_temp.SignalRecord, qw.R, qw.task\nreload(qw)\n",
            (
                "import rollforward.workflow.record_temp\nimport rollforward.workflow.task\nimport rollforward.workflow as qw\n"
                "rollforward.workflow.record_temp.SignalRecord, qw.R, rollforward.workflow.task\nreload(qw)\n"
            ),
        ),
        (
            "from qlib import workflow as w\nw.recorder.Recorder\n",
            (
                "import rollforward.workflow.recorder\nfrom rollforward import workflow as w\n"
                "rollforward.workflow.recorder.Recorder\n"
            ),
        ),
        ("from qlib . workflow import R as r\n", "from rollforward.workflow import R as r\n"),
        ("import qlib . workflow as w\nw.R\n", "import rollforward.workflow as w\nw.R\n"),
        ("from qlib import init\ninit()\n", "from rollforward import init\ninit()\n"),
        ("from qlib.workflow import R\n", "from rollforward.workflow import R\n"),
        ("from qlib.workflow import R as r\n", "from rollforward.workflow import R as r\n"),
        (
            "from  qlib.workflow.task.gen  import (  # gen\n    RollingGen,\n    task_generator,  # f\n)\n",
            "from  rollforward.workflow.task.gen  import (  # gen\n    RollingGen,\n    task_generator,  # f\n)\n",
        ),
        (
            "from qlib.model.ens.group import \\\n    RollingGroup\n",
            "from rollforward.model.ens.group import \\\n    RollingGroup\n",
        ),
        (
            "from qlib.data.dataset import DatasetH, DataHandlerLP\n",
            "from rollforward.data.handler import DataHandlerLP\nfrom rollforward.data.dataset import DatasetH\n",
        ),
        (
            "from qlib.data.dataset import (\n    DatasetH,  # rows\n    DataHandlerLP,\n    TSDatasetH,\n)  # end\n",
            (
                "from rollforward.data.handler import DataHandlerLP\n"
                "from rollforward.data.dataset import (\n    DatasetH,  # rows\n    TSDatasetH,\n)  # end\n"
            ),
        ),
        (
            "from qlib.data.dataset import (DatasetH,\n    TSDatasetH, DataHandlerLP)\n",
            (
                "from rollforward.data.handler import DataHandlerLP\n"
                "from rollforward.data.dataset import (DatasetH,\n    TSDatasetH)\n"
            ),
        ),
        (
            "def f():\n\tfrom qlib.data.dataset import DataHandlerLP as L, DatasetH as D\n\treturn L, D\n",
            (
                "def f():\n\tfrom rollforward.data.dataset import DatasetH as D\n"
                "\tfrom rollforward.data.handler import DataHandlerLP as L\n\treturn L, D\n"
            ),
        ),
        (
            "if 1: from qlib.workflow.exp import Experiment, MLflowExperiment; x = 1\n",
            (
                "if 1: from rollforward.workflow.mlflow_backend import MLflowExperiment; "
                "from rollforward.workflow.exp import Experiment; x = 1\n"
            ),
        ),
        (
            "from qlib.utils import flatten_dict, \\\n    get_module_logger\n",
            "from rollforward.log import get_module_logger\nfrom rollforward.instantiate import flatten_dict\n",
        ),
        (
            "from qlib.workflow.task import gen\ngen.RollingGen\n",
            "from rollforward.workflow.task import gen\ngen.RollingGen\n",
        ),
        ("from qlib.model import trainer as t, base\n", None),
        (
            "from qlib.data.dataset import handler as h\nh.DataHandler\n",
            "from rollforward.data import handler as h\nh.DataHandler\n",
        ),
        ("from qlib.contrib.eva import alpha\n", "from rollforward.evaluation import alpha\n"),
        (
            "try:\n    import qlib\nexcept ImportError:\n    qlib = None\n",
            "try:\n    import qlib\nexcept ImportError:\n    qlib = None\n",
        ),
    ],
)
def test_imports(before, after):
    if after is None:
        assert (
            rewritten(before) == "from rollforward.model import base\nfrom rollforward.workflow import trainer as t\n"
        )
    else:
        assert rewritten(before) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('x = "qlib.model.trainer.TrainerR"', 'x = "rollforward.workflow.trainer.TrainerR"'),
        ("x = r'qlib.workflow.record_temp'", "x = r'rollforward.workflow.record_temp'"),
        ("patch('qlib.workflow.R.start')", "patch('rollforward.workflow.R.start')"),
        ("import_module('qlib.workflow')", "import_module('rollforward.workflow')"),
        (
            '{"class": "DataHandlerLP", "module_path": "qlib.data.dataset"}',
            '{"class": "DataHandlerLP", "module_path": "rollforward.data.handler"}',
        ),
        (
            'dict(class_="x", module_path="qlib.workflow.record_temp")',
            'dict(class_="x", module_path="rollforward.workflow.record_temp")',
        ),
        ('{"class": "qlib.data.dataset.DatasetH"}', '{"class": "rollforward.data.dataset.DatasetH"}'),
        ('{"func": "qlib.model.trainer.task_train"}', '{"func": "rollforward.workflow.trainer.task_train"}'),
        # Several modules hold its names, and no class says which is meant: the instantiator finds it.
        ('{"module_path": "qlib.data.dataset"}', '{"module_path": "qlib.data.dataset"}'),
        ('open("qlib.log"); "qlib"; "see qlib.workflow.R"', 'open("qlib.log"); "qlib"; "see qlib.workflow.R"'),
    ],
)
def test_texts(before, after):
    assert rewritten(before) == after


def test_what_does_not_concern_qlib_stays():
    text = "# qlib.workflow\nimport  os ,sys\nx = ( 1,2 )   \n\x0c\ny='''\nimport qlib\n'''\nfrom . import qlib as z\n"
    assert rewritten(text) == text


def test_columns_are_counted_right_behind_other_letters():
    assert rewritten('é = "ä😀"; x = "qlib.workflow.record_temp"; import qlib') == (
        'é = "ä😀"; x = "rollforward.workflow.record_temp"; import rollforward'
    )


def test_line_ends_of_windows_stay():
    text = "import os\r\nfrom qlib.data.dataset import DatasetH, DataHandlerLP\r\nx = 1\r\n"
    assert rewritten(text) == (
        "import os\r\nfrom rollforward.data.handler import DataHandlerLP\r\n"
        "from rollforward.data.dataset import DatasetH\r\nx = 1\r\n"
    )


def test_qlibs_own_names_stay_and_are_reported():
    text = (
        "import qlib\nimport qlib.contrib.model.gbdt as gbdt\nfrom qlib.contrib.data.handler import Alpha158\n"
        "from qlib.data import D\nqlib.auto_init()\nqlib.workflow.R.end_exp()\n"
        '{"class": "LGBModel", "module_path": "qlib.contrib.model.gbdt"}\n'
    )
    assert rewritten(text) == text.replace("import qlib\n", "import rollforward.workflow\nimport qlib\n").replace(
        "qlib.workflow.R", "rollforward.workflow.R"
    )
    assert sorted(findings(text, "pyqlib")) == [
        (2, "qlib.contrib.model.gbdt"),
        (3, "qlib.contrib.data.handler.Alpha158"),
        (4, "qlib.data.D"),
        (5, "qlib.auto_init"),
        (7, "qlib.contrib.model.gbdt.LGBModel"),
    ]


def test_of_one_import_a_part_stays():
    text = "from qlib.workflow.task.utils import (\n    TimeAdjuster,  # cal\n    get_mongodb,\n)\n"
    assert rewritten(text) == (
        "from rollforward.workflow.task.utils import TimeAdjuster\n"
        "from qlib.workflow.task.utils import (\n    # cal\n    get_mongodb,\n)\n"
    )
    assert findings(text) == [(3, "qlib.workflow.task.utils.get_mongodb")]


def test_a_module_that_stays_in_part_is_imported_twice():
    text = "import qlib.utils as u\nu.flatten_dict, u.lazy_sort_index\n"
    assert rewritten(text) == (
        "import rollforward.instantiate\nimport qlib.utils as u\nrollforward.instantiate.flatten_dict, u.lazy_sort_index\n"
    )


def test_a_plain_import_stays_for_what_stays_in_its_module():
    text = "import qlib.utils\nqlib.utils.flatten_dict, qlib.utils.lazy_sort_index\n"
    assert rewritten(text) == (
        "import rollforward.instantiate\nimport qlib.utils\n"
        "rollforward.instantiate.flatten_dict, qlib.utils.lazy_sort_index\n"
    )


def test_the_name_of_the_package_stays_bound_for_what_stays():
    text = "import qlib.workflow\nqlib.auto_init()\nqlib.workflow.R\n"
    assert rewritten(text) == (
        "import rollforward.workflow\nimport qlib.workflow\nqlib.auto_init()\nrollforward.workflow.R\n"
    )


def test_the_package_itself_stays():
    text = "import qlib\nreload(qlib)\n"
    assert rewritten(text) == text
    assert findings(text) == [(2, "qlib")]


def test_a_name_that_is_imported_by_way_of_another_module_has_a_hint():
    draft = rewrite_python("from qlib.workflow.online.utils import RollingGen\n")
    assert [found.todo for found in draft.findings] == ["Import RollingGen from rollforward."]


def test_a_name_that_means_two_things_is_left_alone():
    text = "import qlib.workflow as w\ndef f(w):\n    return w.R\n"
    assert rewritten(text) == text
    assert findings(text) == [(3, "w is a module of Qlib and something else too")]


def test_stars_are_reported():
    text = "from qlib.workflow import *\n"
    assert rewritten(text) == text
    assert findings(text) == [(1, "from qlib.workflow import *")]


def test_texts_that_are_put_together_are_reported():
    assert findings('x = f"qlib.contrib.model.{name}"') == [(1, 'f"qlib.contrib.model.{name}"')]
    assert findings('x = ("qlib.workflow" ".record_temp")') == [(1, "qlib.workflow.record_temp")]


def test_uses_that_are_spelt_in_pieces_are_reported():
    text = "import qlib\nx = (qlib\n  .workflow.R)\n"
    assert rewritten(text) == text
    (found,) = rewrite_python(text).findings
    assert (found.line, found.what, found.kind) == (2, "qlib.workflow.R", "person")
    assert "Write rollforward.workflow.R here" in found.todo


@pytest.mark.parametrize(
    "line",
    [
        'f"{qlib.workflow.R}"',
        "f'é {x} {qlib.workflow.R!r:>{qlib.workflow.R}}' 'y'",
        "f'''\n\né {\nqlib.workflow.R}'''",
    ],
)
def test_f_strings_are_rewritten_or_reported(line):
    text = f"import qlib\nx = {line}\n"
    after = rewritten(text)
    moved = text.replace("qlib", "rollforward").replace("import rollforward", "import rollforward.workflow")
    assert after in {text, moved}
    assert (after == text) == bool(findings(text, "person"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('qlib.init(provider_uri="~/d", region=REG_CN)', "rollforward.init()"),
        ('qlib.init("client", provider_uri="~/d", mongo=conf)', "rollforward.init(mongo=conf)"),
        (
            'qlib.init(\n    provider_uri="~/d",  # data\n    exp_manager=conf,  # runs\n    kernels=1,\n)',
            "rollforward.init(\n    # data\n    exp_manager=conf,  # runs\n)",
        ),
        (
            'qlib.init(\n    provider_uri="~/d",\n    mongo=conf,\n)',
            "rollforward.init(\n    mongo=conf,\n)",
        ),
        (
            'qlib.init(\n    provider_uri="~/#",  # data\n    region="cn")',
            "rollforward.init(\n    # data\n)",
        ),
        ("qlib.init(exp_manager=conf, region='us')", "rollforward.init(exp_manager=conf)"),
        ("qlib.init(**conf)", "rollforward.init(**conf)"),
    ],
)
def test_settings_of_data_are_taken_out_where_no_name_of_qlib_is_left(before, after):
    text = f"import qlib\n{before}\n"
    assert rewritten(text) == f"import rollforward\n{after}\n"
    assert len(findings(text)) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('qlib.init(provider_uri="~/d", region="cn")', 'rollforward.init(provider_uri="~/d", region="cn")'),
        ('qlib.init("client", mongo=conf)', 'rollforward.init(default_conf="client", mongo=conf)'),
    ],
)
def test_settings_of_data_stay_where_names_of_qlib_stay(before, after):
    rest = 'x = {"class": "Alpha158", "module_path": "qlib.contrib.data.handler"}\n'
    assert rewritten(f"import qlib\n{before}\n{rest}") == f"import rollforward\n{after}\n{rest}"


def test_the_executor_that_is_taken_as_it_is_needs_no_qlib():
    executor = 'x = {"class": "SimulatorExecutor", "module_path": "qlib.backtest.executor"}\n'
    text = f"import qlib\nqlib.init(region='us')\n{executor}"
    assert rewritten(text) == f"import rollforward\nrollforward.init()\n{executor}"
    assert findings(text, "pyqlib") == []
    assert (3, "qlib.backtest.executor.SimulatorExecutor") in findings(text, "note")


def test_texts_in_which_qlib_is_not_named_are_not_looked_for(monkeypatch):
    places = []
    monkeypatch.setattr(Draft, "span", lambda draft, node, span=Draft.span: places.append(node) or span(draft, node))
    rewrite_python("x = [" + "'a', " * 1000 + "'qlib.workflow.record_temp']\n")
    assert len(places) < 10


def test_a_region_is_a_text():
    text = "import qlib\nfrom qlib.constant import REG_CN\ndef f(region=REG_CN):\n    qlib.init(region=region)\n"
    assert rewritten(text) == ('import rollforward\nREG_CN = "cn"\ndef f(region=REG_CN):\n    rollforward.init()\n')
    assert rewritten("from qlib.constant import (\n    REG_CN,  # a\n    REG_US as U,\n)\n") == (
        '# a\nREG_CN = "cn"; U = "us"\n'
    )
    assert rewritten("import qlib\nx = qlib.config.REG_US\n") == 'import rollforward\nx = "us"\n'


def test_a_store_of_files_is_reported():
    conf = 'conf = {"class": "MLflowExpManager", "kwargs": {"uri": "file:" + path}}\nimport qlib\nqlib.init(exp_manager=conf)\n'
    assert findings(conf) == [(1, '"file:" + path')]
    assert findings("# qlib\nconf['kwargs']['uri'] = 'file:' + path\n") == [(2, "'file:' + path")]
    assert findings("from qlib.workflow import R\nR.set_uri('file:///x')\n", "person") == [(2, "'file:///x'")]


def test_what_behaves_differently_is_told_once_and_asks_for_nothing():
    text = "from qlib.workflow.task.manage import TaskManager\nimport qlib.workflow.task.manage as m\nm.TaskManager\n"
    assert [what for _, what in findings(text, "note")] == ["qlib.workflow.task.manage.TaskManager"]


def test_what_is_no_python_is_an_error():
    with pytest.raises(SyntaxError):
        rewrite_python("import qlib\nprint 1\n")


def test_a_module_that_is_set_without_its_class_is_left_if_there_are_several():
    """The class decides which of them is meant; all are looked in when it is built."""
    text = 'c["module_path"] = "qlib.data.dataset"\nc["class"] = "DataHandlerLP"\n'
    assert rewritten(text) == text
    assert (
        rewritten('c["module_path"] = "qlib.model.trainer"\n') == 'c["module_path"] = "rollforward.workflow.trainer"\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        'sys.modules["qlib.workflow"]\n',
        'path = "qlib.workflow" + ".recorder"\n',
        'os.system("python -m qlib.workflow.task.manage -t pool wait")\n',
        'exec("from qlib.workflow import R")\n',
        'conf = """\ntask:\n  module_path: qlib.workflow.record_temp\n"""\n',
        "def f(r: 'list[qlib.workflow.recorder.Recorder]'): ...\n",
    ],
)
def test_a_text_that_programs_read_is_left_and_reported(text):
    assert rewritten(text) == text
    assert [line for line, _ in findings(text, "person")] == [1]


@pytest.mark.parametrize(
    "text",
    [
        '"""Uses qlib.workflow.R, as `from qlib.workflow import R` does."""\n',
        'def f():\n    "qlib.workflow"\n',
        'print("see qlib.workflow for it")\n',
        'print("qlib.data is nice")\n',
        'url = "https://github.com/microsoft/qlib.workflow.git"\n',
        'conf = {"module_path": "qlib.data.dataset"}\n',
    ],
)
def test_prose_is_no_finding(text):
    assert findings(text) == []


def test_a_star_is_for_a_person():
    assert findings("from qlib.workflow.record_temp import *\n", "person") == [
        (1, "from qlib.workflow.record_temp import *")
    ]
