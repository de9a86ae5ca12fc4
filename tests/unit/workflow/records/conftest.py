import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # helpers beside the tests
from memory_recorder import MemoryRecorder  # found there

DAYS = pd.bdate_range("2024-01-02", periods=40)
NAMES = [f"S{number:02}" for number in range(12)]
ROWS = pd.MultiIndex.from_product([DAYS[:30], NAMES], names=["datetime", "instrument"])


@pytest.fixture
def signal():
    """Prices of 40 days, a prediction and a one-session label of the first 30; the prediction knows a little."""
    dice = np.random.default_rng(7)
    prices = pd.DataFrame(100 * np.exp(dice.normal(0, 0.01, (40, 12)).cumsum(axis=0)), DAYS, NAMES)
    label = (prices.shift(-2) / prices.shift(-1) - 1).rename_axis(index="datetime", columns="instrument").stack()
    label = label.reindex(ROWS)
    pred = label + dice.normal(0, 0.01, len(ROWS))
    return SimpleNamespace(
        prices=prices, pred=pred.to_frame("score"), label=label.to_frame("LABEL0"), days=DAYS[:30], names=NAMES
    )


@pytest.fixture
def memory():
    """Makes a recorder in memory that holds what is given."""
    return MemoryRecorder


@pytest.fixture
def recorder(signal, memory):
    return memory({"pred.pkl": signal.pred, "label.pkl": signal.label})
