"""Claims, judged: every test against an exact reference or full enumeration."""

from collections.abc import Iterable
from itertools import combinations, product
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import barnard_exact, fisher_exact
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from analysis import compare
from analysis import rates as rates_module
from analysis.compare import Counts
from analysis.rates import Rates
from analysis.study_file import Claim


def rates(cells: Iterable[tuple[str, str, int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(list(cells), columns=["arm", "task", "lag", "solved", "n"])


def claim(
    arm: str = "b", than: str = "a", task: str | None = None, lag: int | None = None
) -> Claim:
    return Claim(arm, than, task, lag, f"{arm} over {than}")


def two(solved_b: int, solved_a: int, n: int = 5, task: str = "t", lag: int = 9) -> list:  # type: ignore[type-arg]
    return [("b", task, lag, solved_b, n), ("a", task, lag, solved_a, n)]


@pytest.mark.parametrize("counts", [(5, 5, 0, 5), (4, 5, 1, 5), (3, 10, 9, 10), (2, 4, 1, 7)])
def test_one_group_is_tested_as_by_scipy(counts: tuple[int, int, int, int]) -> None:
    k, n, m, o = counts
    expected = barnard_exact([[k, m], [n - k, o - m]]).pvalue
    assert compare.barnard(Counts(*counts)) == pytest.approx(expected)


@pytest.mark.parametrize("solved", [0, 5])
def test_where_both_arms_do_the_same_there_is_no_evidence(solved: int) -> None:
    assert compare.barnard(Counts(solved, 5, solved, 5)) == 1
    assert compare.permutation([Counts(solved, 5, solved, 5)] * 2) == 1


def enumerated(groups: list[Counts]) -> float:
    """Permute the labels of every group in every way, one by one."""
    per_group = []
    for group in groups:
        n = group.n_arm + group.n_than
        solved = [1] * (group.solved_arm + group.solved_than)
        outcomes = np.array(solved + [0] * (n - len(solved)))
        per_group.append(
            [
                outcomes[list(chosen)].mean() - np.delete(outcomes, list(chosen)).mean()
                for chosen in combinations(range(n), group.n_arm)
            ]
        )
    observed = np.mean([g.solved_arm / g.n_arm - g.solved_than / g.n_than for g in groups])
    means = np.array([np.mean(each) for each in product(*per_group)])
    return float((np.abs(means) >= abs(observed) - 1e-12).mean())


@pytest.mark.parametrize(
    "groups",
    [
        [Counts(3, 3, 1, 3)],
        [Counts(3, 3, 0, 3), Counts(2, 3, 1, 3)],
        [Counts(2, 2, 1, 4), Counts(1, 3, 2, 2)],
        [Counts(1, 2, 0, 2), Counts(2, 2, 1, 2), Counts(0, 2, 1, 2)],
    ],
)
def test_the_pooled_test_counts_what_enumeration_counts(groups: list[Counts]) -> None:
    assert compare.permutation(groups) == pytest.approx(enumerated(groups), rel=1e-12)


@pytest.mark.parametrize("n", [4, 5, 9])
def test_in_one_group_of_equal_sizes_the_pooled_test_is_fishers(n: int) -> None:
    for k, m in product(range(n + 1), repeat=2):
        expected = fisher_exact([[k, m], [n - k, n - m]]).pvalue
        assert compare.permutation([Counts(k, n, m, n)]) == pytest.approx(expected)


def test_the_pooled_test_keeps_its_level_under_the_null() -> None:
    # All outcomes of three groups of 4 against 4, each group with a rate of its own.
    shares = (0.1, 0.5, 0.8)
    weights = [
        np.array([[comb(4, i) * p**i * (1 - p) ** (4 - i) for i in range(5)]]) for p in shares
    ]
    joint = [(w.T @ w) for w in weights]
    found = 0.0
    for cells in product(product(range(5), repeat=2), repeat=3):
        chance = float(np.prod([joint[g][cell] for g, cell in enumerate(cells)]))
        if chance > 1e-5 and compare.permutation([Counts(k, 4, m, 4) for k, m in cells]) <= 0.05:
            found += chance
    assert 0.01 < found <= 0.05


@pytest.mark.parametrize("counts", [(5, 5, 0, 5), (4, 5, 1, 5), (3, 10, 9, 10), (0, 4, 0, 7)])
def test_the_interval_in_one_group_is_newcombes(counts: tuple[int, int, int, int]) -> None:
    effect, low, high = compare.difference([Counts(*counts)])
    expected = confint_proportions_2indep(*counts, method="newcomb")
    assert effect == pytest.approx(counts[0] / counts[1] - counts[2] / counts[3])
    assert (low, high) == pytest.approx(expected)


def test_the_interval_over_groups_covers_at_least_nearly_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    shares = [(0.9, 0.5), (0.3, 0.1), (0.6, 0.6), (1.0, 0.2)]
    truth = np.mean([b - a for b, a in shares])
    hits = 0
    for _ in range(1000):
        groups = [
            Counts(generator.binomial(5, b), 5, generator.binomial(5, a), 5) for b, a in shares
        ]
        _, low, high = compare.difference(groups)
        hits += low <= truth <= high
    assert hits / 1000 > 0.94


def test_a_claim_is_judged_on_its_task_and_lag_alone() -> None:
    frame = rates([*two(5, 0, task="t", lag=9), *two(0, 5, task="t", lag=1), *two(0, 5, task="u")])
    verdicts = compare.judge(
        frame,
        [claim(task="t", lag=9), claim(task="t"), claim(lag=9), claim()],
        is_complete=True,
    )
    assert verdicts["groups"].tolist() == [1, 2, 2, 3]
    assert verdicts["effect"].tolist() == pytest.approx([1, 0, 0, -1 / 3])
    assert verdicts["test"].str.startswith("Barnard").tolist() == [True, False, False, False]
    assert verdicts[["solved_arm", "n_arm", "solved_than", "n_than"]].iloc[3].tolist() == [
        5,
        15,
        10,
        15,
    ]


def test_p_is_adjusted_by_holm_over_all_claims() -> None:
    frame = rates([*two(5, 0, lag=1), *two(4, 0, lag=2), *two(3, 0, lag=3)])
    verdicts = compare.judge(frame, [claim(lag=lag) for lag in (1, 2, 3)], is_complete=True)
    raw = [compare.barnard(Counts(k, 5, 0, 5)) for k in (5, 4, 3)]
    assert verdicts["p"].tolist() == pytest.approx(raw)
    expected = multipletests(raw, method="holm")[1]
    assert verdicts["p_adjusted"].tolist() == pytest.approx(expected)
    by_hand = [3 * raw[0], max(3 * raw[0], 2 * raw[1]), max(2 * raw[1], raw[2])]
    assert verdicts["p_adjusted"].tolist() == pytest.approx(by_hand)


def test_verdicts_say_supported_contradicted_or_too_few() -> None:
    frame = rates([*two(5, 0, lag=1), *two(0, 5, lag=2), *two(2, 1, lag=3), *two(5, 5, lag=4)])
    verdicts = compare.judge(frame, [claim(lag=lag) for lag in (1, 2, 3, 4)], is_complete=True)
    assert verdicts["verdict"].tolist() == [
        "supported",
        "contradicted",
        "too few seeds to tell",
        "too few seeds to tell",
    ]
    assert verdicts["remedy"].tolist()[:2] == ["", ""]
    assert "no difference was seen" in verdicts["remedy"].iloc[3]


def test_swapping_the_arms_swaps_the_verdict_and_leaves_p() -> None:
    frame = rates([*two(5, 0, lag=1), *two(4, 1, lag=2)])
    there = compare.judge(frame, [claim("b", "a")], is_complete=True).iloc[0]
    back = compare.judge(frame, [claim("a", "b")], is_complete=True).iloc[0]
    assert (there["verdict"], back["verdict"]) == ("supported", "contradicted")
    assert there["p"] == pytest.approx(back["p"])
    assert (there["low"], there["high"]) == pytest.approx((-back["high"], -back["low"]))


@pytest.mark.parametrize(
    ("groups", "claims"),
    [([Counts(3, 5, 1, 5)], 1), ([Counts(3, 5, 1, 5)], 5), ([Counts(3, 5, 2, 5)] * 4, 2)],
)
def test_the_number_of_seeds_that_would_do_does(groups: list[Counts], claims: int) -> None:
    told = compare.remedy(claim(), Rates(groups), 5, claims)
    seeds = int(told.split()[1])

    def p(n: int) -> float:
        scaled = [
            Counts(round(n * g.solved_arm / 5), n, round(n * g.solved_than / 5), n) for g in groups
        ]
        return claims * (
            compare.barnard(scaled[0]) if len(scaled) == 1 else compare.permutation(scaled)
        )

    assert told == f"about {seeds} seeds per group would show a difference of this size"
    assert p(seeds) <= 0.05 < p(seeds - 1)


def test_a_difference_too_small_to_be_worth_the_seeds_is_called_so() -> None:
    assert "more than 100 seeds" in compare.remedy(claim(), Rates([Counts(10, 20, 9, 20)]), 20, 1)


def test_while_trials_are_missing_nothing_is_judged_but_the_counts_are_told() -> None:
    verdicts = compare.judge(rates(two(5, 0)), [claim(), claim(task="none")], is_complete=False)
    assert verdicts["verdict"].tolist() == ["withheld", "no data"]
    assert verdicts[["p", "p_adjusted"]].isna().all(axis=None)
    assert verdicts["effect"].iloc[0] == pytest.approx(1.0)
    assert verdicts["solved_arm"].tolist() == [5, 0]


def test_a_claim_without_data_takes_no_part_in_holms_family() -> None:
    frame = rates(two(5, 0))
    alone = compare.judge(frame, [claim()], is_complete=True)
    beside = compare.judge(frame, [claim(), claim("c", "a")], is_complete=True)
    assert beside["p_adjusted"].iloc[0] == pytest.approx(alone["p_adjusted"].iloc[0])
    assert beside["verdict"].iloc[1] == "no data"


def test_no_claims_give_an_empty_frame() -> None:
    verdicts = compare.judge(rates(two(5, 0)), [], is_complete=True)
    assert list(verdicts.columns) == compare.COLUMNS
    assert verdicts.empty


def test_counted_in_float64_where_there_are_many_p_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = np.random.default_rng(5)
    for n, m, number in ((5, 5, 7), (6, 4, 5), (20, 20, 4), (50, 50, 12)):
        solved = zip(generator.integers(n + 1, size=number), generator.integers(m + 1, size=number),
                     strict=True)  # fmt: skip
        groups = [Counts(int(a), n, int(b), m) for a, b in solved]
        monkeypatch.setattr(rates_module, "MANY", 10**9)
        exact = compare.permutation(groups)
        monkeypatch.setattr(rates_module, "MANY", 0)
        assert compare.permutation(groups) == pytest.approx(exact, rel=1e-11)
    alike = [Counts(2, 5, 2, 5)] * 3
    assert compare.permutation(alike) == pytest.approx(1, rel=1e-11)
    many = [Counts(260, 500, 240, 500)] * 40
    assert 0 < compare.permutation(many) < 1e-6
