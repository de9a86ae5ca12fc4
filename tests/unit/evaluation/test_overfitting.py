"""What is left of the best of many trials; figures are those of the papers, of purgedcv, or of the plain way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rollforward.errors import DataError
from rollforward.evaluation.overfitting import (
    deflated_sharpe_ratio,
    effective_number_of_trials,
    expected_maximum_sharpe,
    probability_of_backtest_overfitting,
    sharpe_ratios,
    variance_without_skill,
)
from rollforward.evaluation.sharpe import (
    TrackRecord,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    track_record,
)

# Bailey and Lopez de Prado 2014, "A numerical example": five years of days, 250 of them in a year.
BEST = TrackRecord(sharpe=2.5 / 250**0.5, n_periods=1250, skew=-3, kurtosis=10)
VARIANCE = 0.5 / 250


def noise(n_periods=240, n_trials=10, seed=0, skill=0.0):
    values = np.random.default_rng(seed).normal(size=(n_periods, n_trials)) / 100
    return pd.DataFrame(values + skill * np.arange(n_trials) / 100)


def plain_cscv(trials, n_blocks):
    """The procedure of the paper, a split at a time."""
    blocks = np.array_split(np.arange(len(trials)), n_blocks)
    logits, performance = [], []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[at] for at in chosen])
        outside = np.concatenate([blocks[at] for at in range(n_blocks) if at not in chosen])
        scores, others = (trials.iloc[rows].mean() / trials.iloc[rows].std() for rows in (inside, outside))
        best = scores.to_numpy().argmax()
        place = stats.rankdata(others)[best] / (len(others) + 1)
        logits.append(np.log(place / (1 - place)))
        performance.append((scores.iloc[best], others.iloc[best], trials.columns[best]))
    return np.array(logits), performance


class TestDeflatedSharpe:
    def test_the_figures_of_the_paper(self):
        assert expected_maximum_sharpe(100, VARIANCE) == pytest.approx(0.1132, abs=5e-5)
        assert deflated_sharpe_ratio(BEST, 100, VARIANCE) == pytest.approx(0.9004, abs=5e-5)
        assert deflated_sharpe_ratio(BEST, 46, VARIANCE) == pytest.approx(0.9505, abs=5e-5)

    def test_one_trial_is_deflated_by_nothing(self):
        assert expected_maximum_sharpe(1, VARIANCE) == 0
        assert deflated_sharpe_ratio(BEST, 1, VARIANCE) == probabilistic_sharpe_ratio(BEST)

    def test_more_trials_and_more_variety_deflate_more(self):
        counts = [1, 1.2, 2, 2.5, 10, 1e3, 1e6]
        heights = [expected_maximum_sharpe(n, VARIANCE) for n in counts]

        assert heights == sorted(heights)
        assert heights[0] == 0 < heights[-1]
        assert expected_maximum_sharpe(10, 4 * VARIANCE) == pytest.approx(2 * expected_maximum_sharpe(10, VARIANCE))

    def test_close_to_the_highest_of_random_numbers(self):
        drawn = np.random.default_rng(0).normal(size=(4000, 100)).max(axis=1).mean()

        assert expected_maximum_sharpe(100, 1.0) == pytest.approx(drawn, rel=0.02)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ((0, 1.0), "n_trials=0"),
            ((np.nan, 1.0), "n_trials=nan"),
            ((5, -1.0), "variance=-1"),
            ((5, np.nan), "two trials"),
        ],
    )
    def test_refusals(self, arguments, said):
        with pytest.raises(DataError, match=said):
            expected_maximum_sharpe(*arguments)

    def test_many_trials_are_not_pooled(self):
        with pytest.raises(DataError, match="one series"):
            deflated_sharpe_ratio(noise(), 10, VARIANCE)

    def test_without_a_variance_it_is_that_of_trials_without_skill(self):
        returns = noise(500)[0]

        assert variance_without_skill(500) == 1 / 499
        assert deflated_sharpe_ratio(returns, 100) == deflated_sharpe_ratio(returns, 100, 1 / 499)
        drawn = sharpe_ratios(noise(500, 2000)).var()
        assert variance_without_skill(500) == pytest.approx(drawn, rel=0.1)
        with pytest.raises(DataError, match="n_periods=1"):
            variance_without_skill(1)

    def test_ratios_of_many_trials(self):
        trials = noise().assign(flat=0.1)
        trials.iloc[3, 0] = np.nan

        ratios = sharpe_ratios(trials)

        assert ratios[0] == pytest.approx(track_record(trials[0]).sharpe)
        assert ratios[4] == pytest.approx(trials[4].mean() / trials[4].std())
        assert np.isnan(ratios["flat"])


class TestEffectiveTrials:
    def test_the_same_trial_again_and_again_is_one(self):
        assert effective_number_of_trials(pd.concat([noise()[0]] * 5, axis=1)) == pytest.approx(1)

    def test_independent_ones_are_nearly_all(self):
        assert 9 < effective_number_of_trials(noise(5000)) <= 10

    def test_the_formula(self):
        common = np.random.default_rng(1).normal(size=2000)
        trials = pd.DataFrame({k: common + np.random.default_rng(10 + k).normal(size=2000) for k in range(4)})
        rho = np.mean([trials[a].corr(trials[b]) for a, b in combinations(range(4), 2)])

        assert effective_number_of_trials(trials) == pytest.approx(rho + (1 - rho) * 4)
        assert effective_number_of_trials(trials, 100) == pytest.approx(rho + (1 - rho) * 100)

    def test_trials_that_do_not_vary(self):
        with pytest.raises(DataError, match="no correlations"):
            effective_number_of_trials(noise()[[0]].assign(flat=1.0))


class TestBacktestOverfitting:
    @settings(max_examples=15)
    @given(st.integers(0, 999), st.integers(2, 7), st.sampled_from([2, 4, 6]), st.integers(13, 60))
    def test_equals_the_plain_way(self, seed, n_trials, n_blocks, n_periods):
        trials = noise(n_periods, n_trials, seed).rename(columns="trial {}".format)

        found = probability_of_backtest_overfitting(trials, n_blocks)

        logits, performance = plain_cscv(trials, n_blocks)
        np.testing.assert_allclose(found.logits, logits, rtol=1e-12, atol=1e-12)
        assert found.probability == np.mean(logits < -1e-12)
        assert list(found.performance) == ["in_sample", "out_of_sample", "chosen"]
        expected = pd.DataFrame(performance, columns=list(found.performance))
        pd.testing.assert_frame_equal(found.performance, expected, rtol=1e-9, check_dtype=False)
        assert found.probability_of_loss == (expected["out_of_sample"] < 0).mean()
        assert found.slope == pytest.approx(
            np.polyfit(expected["in_sample"], expected["out_of_sample"], 1)[0], abs=1e-9
        )

    def test_a_metric_of_ones_own(self):
        trials = noise(90, 6)

        def sharpe(values):
            return values.mean(axis=0) / values.std(axis=0, ddof=1)

        found = probability_of_backtest_overfitting(trials, 8, sharpe)
        expected = probability_of_backtest_overfitting(trials, 8)

        np.testing.assert_allclose(found.logits, expected.logits)
        pd.testing.assert_frame_equal(found.performance, expected.performance)

    def test_skill_is_not_overfitting_and_noise_is(self):
        assert probability_of_backtest_overfitting(noise(480, 20, skill=0.05), 10).probability < 0.01
        chances = [probability_of_backtest_overfitting(noise(240, 20, seed), 8).probability for seed in range(30)]
        assert 0.35 < np.mean(chances) < 0.65

    def test_all_splits_of_sixteen_blocks(self):
        found = probability_of_backtest_overfitting(noise(500, 30))

        assert found.n_splits == 12_870
        assert len(found.performance) == 12_870

    def test_the_same_trial_many_times_is_the_median(self):
        found = probability_of_backtest_overfitting(pd.concat([noise()[0]] * 5, axis=1), 6)

        assert (found.logits == 0).all()
        assert found.probability == 0

    def test_more_money_in_the_same_trial_is_the_same_trial(self):
        """Their Sharpe ratios differ by rounding only."""
        one = noise(241)[0]

        found = probability_of_backtest_overfitting(pd.concat([one, one * 3, one * 0.7, one * 1e6], axis=1), 8)

        assert (found.logits == 0).all()

    def test_a_trial_that_does_not_vary_counts_zero(self):
        trials = noise(120, 3).assign(idle=0.0)
        trials[[0, 1, 2]] -= 0.02
        found = probability_of_backtest_overfitting(trials, 4)

        assert set(found.performance["chosen"]) == {"idle"}
        assert (found.performance["out_of_sample"] == 0).all()

    def test_a_level_far_from_zero_loses_no_digits(self):
        small = noise(120, 4)
        found = probability_of_backtest_overfitting(small + 1000, 4)
        logits, _ = plain_cscv(small + 1000, 4)

        np.testing.assert_allclose(found.logits, logits)

    @pytest.mark.parametrize(
        ("trials", "n_blocks", "said"),
        [
            (noise(), 5, "n_blocks=5"),
            (noise(), 0, "n_blocks=0"),
            (noise(n_trials=1), 4, "at least 2 trials"),
            (noise(15), 8, "2 periods in each block"),
            (noise().replace(noise().iloc[0, 0], np.nan), 4, "1 of 2400 returns"),
        ],
    )
    def test_refusals(self, trials, n_blocks, said):
        with pytest.raises(DataError, match=said):
            probability_of_backtest_overfitting(trials, n_blocks)

    def test_a_metric_that_gives_something_else(self):
        with pytest.raises(DataError, match="10 numbers"):
            probability_of_backtest_overfitting(noise(), 4, lambda values: values.mean())


class TestAgainstPurgedcv:
    """An implementation of others; its Sharpe ratio divides by n, so the moments are handed over."""

    @pytest.fixture
    def purgedcv(self):
        return pytest.importorskip("purgedcv")

    @pytest.mark.parametrize("seed", range(5))
    def test_sharpe_ratios(self, purgedcv, seed):
        values = np.random.default_rng(seed).standard_t(6, 400) / 100 + 0.001
        own = track_record(values)
        record = TrackRecord(values.mean() / values.std(), 400, own.skew, own.kurtosis)

        assert probabilistic_sharpe_ratio(record, 0.02) == pytest.approx(
            purgedcv.probabilistic_sharpe_ratio(values, 0.02), rel=1e-9
        )
        for n_trials in (1, 2, 17, 5000):
            assert deflated_sharpe_ratio(record, n_trials, 1e-3) == pytest.approx(
                purgedcv.deflated_sharpe_ratio(values, n_trials, 1e-3), rel=1e-9
            )
        figures = {"alpha": 0.05, "skew": record.skew, "kurtosis": record.kurtosis}
        assert np.ceil(minimum_track_record_length(record, -0.1)) == purgedcv.min_track_record_length(
            record.sharpe, -0.1, **figures
        )

    @pytest.mark.parametrize(("seed", "n_blocks"), [(0, 4), (1, 6), (2, 8), (3, 10)])
    def test_probability_of_overfitting(self, purgedcv, seed, n_blocks):
        trials = noise(203, 9 + seed, seed, skill=0.005 * seed)

        found = probability_of_backtest_overfitting(trials, n_blocks)
        expected = purgedcv.probability_of_backtest_overfitting(trials.to_numpy().T, n_blocks)

        assert found.probability == expected.pbo
        assert found.slope == pytest.approx(expected.slope)
        np.testing.assert_allclose(np.sort(found.logits), np.sort(expected.logits), atol=1e-12)
