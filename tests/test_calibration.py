"""Do the tests reject as often as they say, and the intervals hold the truth? By simulation.

`pytest -m calibration` prints a line per method, kind of data and number of seeds, from 1,000
simulated studies with a fixed seed each. A test that rejects too often, or an interval that holds
too little, outside the binomial 99 % band, fails here unless the method is not used at that number
of seeds; what is more cautious than it says is named so, and used.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest
import simulation
from scipy.stats import rankdata
from simulation import BUDGET, DATA, SEEDS, SOLVING, STUDIES, Row, exchanged, random, share

from analysis import bootstrap, compare, differences, estimate, factorial, horizons, measures
from analysis.differences import Pair, Steps
from analysis.study_file import Claim

pytestmark = pytest.mark.calibration

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    def write(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    yield write


def keep(rows: list[Row], say: Say) -> None:
    """Print the rows, and fail where one breaks what it promises."""
    for row in rows:
        say(row.line)
    assert [row.line for row in rows if row.verdict == "broken"] == []


def test_the_columns(say: Say) -> None:
    say(f"\n{'method':44} {'data':8}   n  nominal found  99% band     verdict")


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("kind", DATA)
def test_of_equal_arms_a_test_rejects_one_in_twenty(kind: str, n: int, say: Say) -> None:
    both = simulation.scores(random(1, n), kind, (2, STUDIES, n))
    means = exchanged(*both)
    for study in range(0, STUDIES, 250):  # the batch is what the product computes
        found = differences.means([Pair(both[0, study], both[1, study])])
        assert found.p == pytest.approx(means["two"][study])
    failed = np.where(random(2, n).random(both.shape) < 0.2, -np.inf, both)
    ranks = rankdata(np.concatenate(list(failed), axis=1), axis=1)
    ranked = exchanged(ranks[:, :n], ranks[:, n:])
    reached, is_solved = simulation.steps(random(3, n), kind, (2, STUDIES, n))
    speed = exchanged(*reached)
    rows = [
        ("means, permutation", means["two"], "above"),
        ("means, ties at random", means["even"], "both"),
        ("superiority with failures, permutation", ranked["two"], "above"),
        ("superiority, ties at random", ranked["even"], "both"),
        ("restricted means, permutation", speed["two"], "above"),
        ("restricted means, ties at random", speed["even"], "both"),
    ]
    if n >= differences.LEAST_PAIRS:  # below, pairs are not used
        paired = exchanged(*both, is_paired=True)
        swapped = exchanged(ranks[:, :n], ranks[:, n:], is_paired=True)
        rows += [
            ("means of pairs, signs", paired["two"], "above"),
            ("means of pairs, ties at random", paired["even"], "both"),
            ("superiority with failures, signs of pairs", swapped["two"], "above"),
        ]
    found = [Row(f"rejects: {m}", kind, n, 0.05, share(p <= 0.05), s) for m, p, s in rows]
    description = [
        differences.log_rank([(Steps(a, b), Steps(c, d))]).p
        for a, b, c, d in zip(reached[0], is_solved[0], reached[1], is_solved[1], strict=True)
    ]
    keep(found, say)
    log_rank = Row(
        "rejects: log-rank", kind, n, 0.05, share(np.array(description) <= 0.05), "above"
    )
    say(f"{log_rank.line}; it decides nothing")


@pytest.mark.parametrize("n", SEEDS)
def test_of_equal_rates_a_test_rejects_one_in_twenty(n: int, say: Say) -> None:
    single = random(4, n).binomial(n, SOLVING, (STUDIES, 2))
    cache = {tuple(sorted(k)): compare.barnard(compare.Counts(k[0], n, k[1], n)) for k in
             {tuple(map(int, row)) for row in single}}  # fmt: skip
    one = np.array([cache[tuple(sorted(map(int, row)))] for row in single])
    pooled = random(5, n).binomial(n, np.array([0.2, 0.6, 0.9])[:, None], (STUDIES, 3, 2))
    many = np.array(
        [compare.permutation([compare.Counts(int(a), n, int(b), n) for a, b in s]) for s in pooled]
    )
    effects = [compare.difference([compare.Counts(int(a), n, int(b), n)]) for a, b in single]
    means = [
        compare.difference([compare.Counts(int(a), n, int(b), n) for a, b in s]) for s in pooled
    ]
    apart = random(6, n).binomial(n, [0.9, 0.3], (STUDIES, 2))
    parted = [compare.difference([compare.Counts(int(a), n, int(b), n)]) for a, b in apart]
    grid = random(7, n).binomial(n, [0.2, 0.5, 0.5, 0.9], (STUDIES, 4))
    sizes = np.full(4, n)
    main = [factorial.contrast([-0.5, 0.5, -0.5, 0.5], k, sizes) for k in grid]
    inter = [factorial.contrast([1.0, -1.0, -1.0, 1.0], k, sizes) for k in grid]
    low, high = estimate.wilson(single[:, 0], np.full(STUDIES, n))

    def held(found: list[tuple[float, float, float]], at: float) -> float:
        return share([a - 1e-12 <= at <= b + 1e-12 for _, a, b in found])

    keep(
        [
            Row("rejects: solve rates, Barnard", "bimodal", n, 0.05, share(one <= 0.05), "above"),
            Row("rejects: solve rates, 3 groups, permutation", "bimodal", n, 0.05,
                share(many <= 0.05), "above"),
            Row("holds: solve rate, Wilson", "bimodal", n, 0.95,
                share((low <= SOLVING) & (SOLVING <= high))),
            Row("holds: equal rates' difference, Newcombe", "bimodal", n, 0.95, held(effects, 0)),
            Row("holds: difference of .9 and .3, Newcombe", "bimodal", n, 0.95, held(parted, 0.6)),
            Row("holds: mean difference over 3 groups", "bimodal", n, 0.95, held(means, 0)),
            Row("holds: main effect in a grid of 4", "bimodal", n, 0.95, held(main, 0.35)),
            Row("holds: interaction in a grid of 4", "bimodal", n, 0.95, held(inter, 0.1)),
        ],
        say,
    )  # fmt: skip


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("kind", DATA)
def test_an_interval_holds_the_truth_in_19_of_20_studies(kind: str, n: int, say: Say) -> None:
    values = simulation.scores(random(11, n), kind, (STUDIES, n))
    middle = float(np.median(simulation.scores(random(9, 4), kind, (1_000_001,))))
    medians = [estimate.order_interval(row) for row in np.sort(values, axis=1)]
    bounds = bootstrap.intervals(list(values))
    iqm = simulation.truth(kind, "iqm")
    reached, is_solved = simulation.steps(random(12, n), kind, (2, STUDIES, n))
    mean = simulation.truth(kind, "steps")
    speeds = [
        measures.restricted_mean(a, b, BUDGET)
        for a, b in zip(reached[0], is_solved[0], strict=True)
    ]
    slower, is_slow = simulation.steps(random(13, n), kind, (STUDIES, n), 0.3, 400)
    apart = mean - simulation.truth(kind, "steps", 0.3, 400)
    gaps = []
    for first, ok, second, also in zip(reached[0], is_solved[0], slower, is_slow, strict=True):
        (a, low, high), (b, least, most) = (measures.restricted_mean(*each, BUDGET) for each in
                                            ((first, ok), (second, also)))  # fmt: skip
        gaps.append((a - b - np.hypot(a - low, most - b), a - b + np.hypot(high - a, b - least)))
    one = differences.restricted_means([(Steps(first, ok), Steps(second, also), BUDGET)])
    assert (one.low, one.high) == pytest.approx(gaps[-1])
    other = simulation.scores(random(14, n), kind, (STUDIES, n), 0.3) - (
        0.1 if kind == "normal" else 0
    )
    shift = simulation.truth(kind, "mean") - (
        simulation.truth(kind, "mean") - 0.1
        if kind == "normal"
        else simulation.truth(kind, "mean", 0.3)
    )
    shifted = exchanged(values - shift, other)  # the interval holds what is not rejected
    beats = (values[:, :, None] > other[:, None, :]).mean(axis=(1, 2))
    sample = simulation.scores(random(9, 5), kind, (2, 2_000_000))
    second = simulation.scores(random(9, 6), kind, (2_000_000,), 0.3) - (
        0.1 if kind == "normal" else 0
    )
    chance = share(sample[0] > second)
    newcombe = {effect: differences.newcombe(effect, n, n) for effect in set(beats.tolist())}
    rows = [
        ("restricted mean steps", [low <= mean <= high for _, low, high in speeds]),
        ("difference of restricted means", [low <= apart <= high for low, high in gaps]),
    ]
    if np.isfinite(medians[0]["low"]):
        rows.append(
            ("median, order statistics", [m["low"] <= middle <= m["high"] for m in medians])
        )
    if np.isfinite(bounds).all():
        rows.append(("interquartile mean, bootstrap", [low <= iqm <= high for low, high in bounds]))
    if n >= differences.LEAST_FOR_AN_INTERVAL:
        rows += [
            ("difference of means, not rejected",
             list((shifted["greater"] > 0.025) & (shifted["less"] > 0.025))),
            ("superiority, Newcombe",
             [newcombe[e][0] <= chance <= newcombe[e][1] for e in beats.tolist()]),
        ]  # fmt: skip
    keep([Row(f"holds: {method}", kind, n, 0.95, share(hits)) for method, hits in rows], say)
    names = {
        "median, order statistics",
        "interquartile mean, bootstrap",
        "difference of means, not rejected",
        "superiority, Newcombe",
    }
    for method in sorted(names - {method for method, _ in rows}):
        say(f"{'holds: ' + method:44} {kind:8} {n:3}  not used with so few seeds")


@pytest.mark.parametrize("n", SEEDS)
@pytest.mark.parametrize("lags", [(10, 50), (10, 20, 40, 80), (5, 10, 20, 40, 80, 160)])
def test_planted_logistic_horizons_are_held(lags: tuple[int, ...], n: int, say: Say) -> None:
    generator, at = random(21, n * 10 + len(lags)), np.array(lags, dtype=float)
    # Anywhere from the shortest lag to beyond the longest; falls from sharp to slow.
    planted = np.exp(generator.uniform(np.log(at[0]), np.log(1.5 * at[-1]), STUDIES))
    width = np.exp(generator.uniform(np.log(0.1), np.log(0.7), STUDIES))
    rates = 1 / (1 + np.exp((np.log(at) - np.log(planted)[:, None]) / width[:, None]))
    solved = generator.binomial(n, rates).astype(float)
    best, low, high = horizons.fit(at, solved, np.full(len(at), float(n))).T
    hits = (low <= planted) & (planted <= high)
    keep([Row(f"holds: horizon, {len(lags)} lags", "logistic", n, 0.95, share(hits))], say)
    inside = np.isfinite(best) & (best > 0) & (planted < at[-1])
    error = float(np.median(np.abs(np.log(best[inside] / planted[inside]))))
    say(f"{'':44} half of the horizons are found within a factor of {np.exp(error):.2f}")
    assert error < np.log(at[1:] / at[:-1]).max() / 2


def test_of_null_studies_of_six_arms_at_most_seventy_name_a_winner(
    say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many seeds would do is a search of its own for each claim, and decides nothing.
    monkeypatch.setattr(compare, "remedy", lambda *_: "")
    monkeypatch.setattr(compare.Rates, "interval", lambda *_, **__: (np.nan, np.nan))
    claims = [Claim(f"arm{i}", "arm0", None, None, f"arm{i}") for i in range(1, 6)]
    places = [("t/a", 10), ("t/a", 50), ("t/b", 10), ("t/b", 50)]
    rates = np.array([0.95, 0.6, 0.8, 0.3])
    index = [(f"arm{i}", *place) for i in range(6) for place in places]
    for n in SEEDS:
        solved = random(31, n).binomial(n, rates, (STUDIES, 6, 4))
        named = 0
        for study in solved:
            frame = pd.DataFrame(index, columns=["arm", "task", "lag"])
            frame = frame.assign(n=n, solved=study.ravel())
            verdicts = compare.judge(frame, claims, is_complete=True)["verdict"]
            named += bool(verdicts.isin(["supported", "contradicted"]).any())
        say(f"null studies of 6 arms, {n} seeds: {named} of {STUDIES} name a winner (at most 70)")
        assert named <= 70


def test_ten_thousand_resamples_of_a_hundred_groups(say: Say) -> None:
    groups = list(simulation.scores(random(41, 0), "bimodal", (100, 10)))
    bootstrap._shares.cache_clear()
    begin = time.perf_counter()
    found = bootstrap.intervals(groups)
    took = time.perf_counter() - begin
    assert bootstrap.RESAMPLES == 10_000 and np.isfinite(found).all()
    say(f"10,000 bootstrap resamples over 100 groups of 10 seeds: {took:.2f} s (at most 5 s)")


def test_of_censored_steps_the_median_is_held(say: Say) -> None:
    rows = []
    for n in (10, 20):
        reached, is_solved = simulation.steps(random(51, n), "bimodal", (STUDIES, n), 0.8)
        truth = float(np.median(simulation.steps(random(9, 7), "bimodal", (1_000_001,), 0.8)[0]))
        ordered = np.sort(np.where(is_solved, reached, np.inf), axis=1)
        held = [estimate.order_interval(row) for row in ordered]
        hits = [each["low"] <= truth <= each["high"] for each in held]
        rows.append(Row("holds: median steps to solve", "bimodal", n, 0.95, share(hits)))
    keep(rows, say)
