"""When a challenger is promoted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from rollforward.errors import OnlineError
from rollforward.testing.calendars import business_days
from rollforward.workflow.online.promotion import Decision, PromotionRule, known_until

N_DATES, NAMES = 40, list("ABCDEFGH")
CAL = business_days("2024-01-01", "2024-06-28")
INDEX = pd.MultiIndex.from_product([CAL.sessions()[:N_DATES], NAMES], names=["datetime", "instrument"])
NOISE = np.random.default_rng(3).normal(size=(3, len(INDEX)))
LABEL, GOOD, POOR = (pd.Series(values, INDEX) for values in (NOISE[0], NOISE[0] + NOISE[1], NOISE[2]))


@pytest.mark.parametrize("metric", ["IC", "ICIR", "Rank IC", "Rank ICIR"])
def test_the_better_one_is_promoted_and_the_worse_one_is_not(metric):
    rule = PromotionRule(metric=metric)
    up, down = rule.judge(GOOD, POOR, LABEL), rule.judge(POOR, GOOD.to_frame("score"), LABEL.to_frame("LABEL0"))
    assert up.promote
    assert not down.promote
    assert (up.challenger, up.champion) == (down.champion, down.challenger)
    assert metric in up.reason


def test_the_figures_are_those_of_pandas():
    decision = PromotionRule(window=25).judge(GOOD, POOR, LABEL)
    dates = CAL.sessions()[N_DATES - 25 : N_DATES]
    assert (decision.n_sessions, decision.first, decision.last) == (25, dates[0], dates[-1])
    for series, value in ((GOOD, decision.challenger), (POOR, decision.champion)):
        daily = [series.loc[date].rank().corr(LABEL.loc[date].rank()) for date in dates]
        assert value == pytest.approx(np.mean(daily))


def test_just_as_much_better_as_the_margin_is_not_enough():
    decision = PromotionRule().judge(GOOD, POOR, LABEL)
    margin = decision.challenger - decision.champion
    assert not PromotionRule(margin=margin).judge(GOOD, POOR, LABEL)
    assert PromotionRule(margin=np.nextafter(margin, 0)).judge(GOOD, POOR, LABEL)
    assert not PromotionRule().judge(GOOD, GOOD, LABEL)


def test_too_few_sessions_decide_nothing():
    decision = PromotionRule(min_sessions=20).judge(GOOD.iloc[: 19 * len(NAMES)], POOR, LABEL)
    assert (decision.promote, decision.n_sessions) == (False, 19)
    assert "20 are needed" in decision.reason
    nothing = PromotionRule().judge(GOOD.iloc[:0], POOR, LABEL)
    assert (nothing.promote, nothing.n_sessions, nothing.first) == (False, 0, None)


def test_only_rows_that_both_have_are_compared():
    """Or a challenger that leaves out what it does not know would look better."""
    few = GOOD[GOOD.index.get_level_values("instrument") < "D"]
    decision = PromotionRule().judge(few, POOR, LABEL)
    assert decision.champion == PromotionRule().judge(few, POOR.loc[few.index], LABEL).champion


def test_labels_that_were_not_known_play_no_part():
    session = CAL.sessions()[30]
    until = known_until(CAL, session, 3)
    assert until == CAL.sessions()[27]
    hidden = LABEL.where(LABEL.index.get_level_values("datetime") <= until)
    decision = PromotionRule().judge(GOOD, POOR, LABEL, until)
    assert decision == PromotionRule().judge(GOOD, POOR, hidden)
    assert decision.last == until


def test_before_the_first_label_nothing_is_known():
    until = known_until(CAL, CAL.sessions()[1], 2)
    assert PromotionRule().judge(GOOD, POOR, LABEL, until).n_sessions == 0
    assert known_until(CAL, CAL.sessions()[2], 2) == CAL.first


def test_how_far_a_label_looks_ahead_has_to_be_known():
    with pytest.raises(OnlineError, match="looks ahead"):
        known_until(CAL, CAL.first, None)


def test_a_constant_challenger_is_not_promoted():
    decision = PromotionRule().judge(GOOD * 0, POOR, LABEL)
    assert (decision.promote, decision.n_sessions) == (False, 0)


def test_a_rule_is_data():
    rule = PromotionRule("ICIR", 30, 0.5, 10, "champion")
    assert PromotionRule(**json.loads(json.dumps(rule.to_dict()))) == rule


@pytest.mark.parametrize(
    "wrong",
    [
        {"metric": "Sharpe"},
        {"window": 0},
        {"window": 2.5},
        {"margin": float("nan")},
        {"margin": "a"},
        {"min_sessions": 61},
    ],
)
def test_what_is_no_rule(wrong):
    with pytest.raises(OnlineError, match=next(iter(wrong))):
        PromotionRule(**wrong)


def test_a_decision_is_true_if_it_promotes():
    assert bool(Decision(True, 1.0, 0.0, 20, None, None, ""))
