"""Claims: declared small, said in words, and judged against closed forms and by simulation.

Longer than a file should be: every form of claim has its hand-computed case.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from planting import Fate, plant
from pydantic import ValidationError
from scipy.stats import binom, binomtest, fisher_exact, norm
from small import RECIPE, small_study
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from analysis import compare, differences, report
from analysis.claim_file import Claim as Read
from analysis.json_file import StudyFileError
from analysis.rates import Counts, Rates
from analysis.sources import load
from analysis.study_file import read_study
from experiments.claims import numbers_of
from experiments.folder import StudyFolder
from experiments.loading import one_line
from experiments.study import Claim, Group, Published, Recipe, Study, TaskAxis

TASK = "adding/arjovsky"
PAPER = Published(value=0.17, tolerance=0.02, source="Author 2018, table 2", tag="R")
BUDGET = RECIPE.but(stop="budget")


FURTHER = TaskAxis(task=TASK, lags=[4, 8], test_lags=[20, 50])


def study(*claims: Claim, recipe: Recipe = BUDGET, **changes: Any) -> Study:
    return small_study(**{"claims": list(claims), "recipe": recipe, "tasks": [FURTHER], **changes})


WORDS: list[tuple[Claim, str]] = [
    (
        Claim(arm="highway", than="rnn"),
        "highway solves more often than rnn (all tasks, all lags)",
    ),
    (
        Claim(arm="highway", than="rnn", task=TASK, lag=8, relation="less"),
        f"highway solves less often than rnn ({TASK}, lag 8)",
    ),
    (
        Claim(arm="highway", than="rnn", relation="at least", amount=0.2),
        "the solve rate of highway is at least that of rnn + 0.2 (all tasks, all lags)",
    ),
    (
        Claim(arm="highway", than="rnn", on="steps_to_solve", relation="at most", amount=0.5,
              scale="ratio"),
        ("the number of steps to solve of highway is at most 0.5 times that of rnn "
        "(all tasks, all lags)"),
    ),
    (
        Claim(arm="rnn", task=TASK, lag=8, than=Group(lag=4), relation="less"),
        f"the solve rate of rnn ({TASK}, lag 8) is less than that of rnn ({TASK}, lag 4)",
    ),
    (
        Claim(arm="rnn", than="highway", relation="equivalent within", amount=1.25, scale="ratio"),
        "the solve rate of rnn is that of highway within a factor of 1.25 (all tasks, all lags)",
    ),
    (
        Claim(arm="rnn", task=TASK, lag=8, on="test/loss", than=PAPER,
              relation="equivalent within"),
        ("the test loss of rnn is 0.17 within 0.02, Author 2018, table 2 [R] "
        f"({TASK}, lag 8)"),
    ),
    (
        Claim(arm="highway", than="rnn", on="test/50/score", relation="at least", amount=0.3),
        "the test score at lag 50 of highway is at least that of rnn + 0.3 (all tasks, all lags)",
    ),
    (
        Claim(arm="highway", than="rnn", on="test/all/loss", relation="less"),
        (
            "the mean test loss over all lags of highway is less than that of rnn "
            "(all tasks, all lags)"
        ),
    ),
    (
        Claim(arm="rnn", task=TASK, lag=8, on="test/20/loss", than=Group(on="test/loss"),
              relation="at most", amount=0.05),
        f"the test loss at lag 20 of rnn is at most the test loss of rnn + 0.05 ({TASK}, lag 8)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("claim", "words"), WORDS, ids=[words[:40] for _, words in WORDS])
def test_a_claim_is_said_in_words_and_survives_json(claim: Claim, words: str) -> None:
    assert claim.text == words
    one = study(claim)
    again = Study.model_validate_json(json.dumps(one.model_dump(mode="json")))
    assert again == one and again.resolved_claims == one.resolved_claims


def test_each_is_a_claim_for_every_task_and_lag() -> None:
    axes = [TaskAxis(task=TASK, lags=[4, 8]), TaskAxis(task="copy_memory/small", lags=[2])]
    one = study(Claim(arm="highway", than="rnn", lag="each"), tasks=axes)
    assert [(c.task, c.lag) for c in one.resolved_claims] == [
        (TASK, 4), (TASK, 8), ("copy_memory/small", 2),
    ]  # fmt: skip


HELD: dict[str, Any] = {"arm": "highway", "than": "rnn"}
WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: Claim(**HELD, on="solve_rat"), "did you mean 'solve_rate'"),
    (lambda: Claim(**HELD, on="probe/gates"), "known: .*probe/<name>/<quantity>"),
    (lambda: Claim(**HELD, relation="mor"), "mean 'more'"),
    (lambda: Claim(**HELD, amount=0.2), "'more' takes no amount; say 'at least'"),
    (lambda: Claim(**HELD, relation="equivalent within"), "give an amount"),
    (lambda: Claim(**HELD, relation="equivalent within", amount=0.0), "above 0"),
    (
        lambda: Claim(**HELD, relation="equivalent within", amount=0.9, scale="ratio"),
        "above 1",
    ),
    (lambda: Claim(**HELD, relation="at least", amount=-1.0, scale="ratio"), "a ratio is above 0"),
    (lambda: Claim(arm="rnn", than=0.0, scale="ratio"), "a number above 0"),
    (lambda: Claim(arm="rnn", than=[1]), "an arm, a number, Group"),
    (lambda: Claim(arm="rnn", than=float("nan")), "finite"),
    (lambda: Claim(arm="rnn", than=Group(lag=4)), "against lag 4: at which lag"),
    (lambda: Claim(arm="rnn", lag=4, than=Group(lag=4)), "held against itself"),
    (lambda: Claim(arm="rnn", than=PAPER), "'equivalent within', 'at least' or 'at most'"),
    (lambda: Claim(arm="rnn", thann="lstm"), "did you mean 'than'"),
    (lambda: Claim(**HELD, on="test/020/score"), "known: .*test/<lag>/score"),
    (lambda: Claim(**HELD, on="test/20/exact"), "known: .*test/<lag>/score"),
    (
        lambda: Claim(arm="rnn", on="test/20/score", than=Group(on="test/loss")),
        "test/20/score against test/loss: one measure at two lags of the test",
    ),
    (lambda: Claim(arm="rnn", than=Group(on="test/20/score")), "one measure at two lags"),
    (
        lambda: Claim(arm="rnn", on="test/20/score", than=Group(on="test/20/score")),
        "held against itself",
    ),
    (
        lambda: study(Claim(**HELD, on="test/30/score")),
        r"lag 30 is no test lag; adding/arjovsky is tested at 20, 50 besides",
    ),
    (
        lambda: study(Claim(arm="rnn", on="test/score", than=Group(on="test/51/score"))),
        "lag 51 is no test lag",
    ),
    (
        lambda: study(Claim(**HELD, on="test/20/score"), tasks=[TaskAxis(task=TASK, lags=[4, 8])]),
        "has none",
    ),
    (
        lambda: study(
            Claim(**HELD, on="test/20/score"),
            tasks=[FURTHER, TaskAxis(task="copy_memory/small", lags=[2])],
        ),
        "lag 20 is no test lag; copy_memory/small has none",
    ),
    (
        lambda: study(Claim(**HELD, on="test/all/score"), tasks=[TaskAxis(task=TASK, lags=[4, 8])]),
        "lag all is no test lag",
    ),
    (lambda: Claim(**HELD, on="test/any/score"), "known: .*test/all"),
    (
        lambda: study(Claim(**HELD, on="test/20/score"), recipe=RECIPE),
        "test/20/score of highway, whose trials stop when solved",
    ),
    (lambda: Group(), "name an arm, a task or a lag"),
    (lambda: Group(leg=4), "did you mean 'lag'"),
    (
        lambda: Published(value=1.0, tolerance=0.1, source="x", tag="M"),
        "from memory is no reference",
    ),
    (lambda: Published(value=1.0, tolerance=0.0, source="x", tag="R"), "greater than 0"),
    (lambda: study(Claim(arm="highwy", than="rnn")), "mean 'highway'"),
    (lambda: study(Claim(arm="highway", than="rn")), "mean 'rnn'"),
    (lambda: study(Claim(arm="rnn", lag=8, than=Group(lag=5))), "lag 5 is none of 4, 8"),
    (lambda: study(Claim(**HELD), Claim(**HELD)), "given twice"),
    (
        lambda: study(Claim(**HELD, on="test/score"), recipe=RECIPE),
        "test/score of highway, whose trials stop when solved",
    ),
    (lambda: study(Claim(arm="rnn", than=9.0, on="test/loss")), "of one task and lag"),
    (lambda: study(Claim(**HELD, on="probe/gates/longest")), r"nothing measures it; probes=\["),
    (lambda: study(Claim(**HELD, on="probe/gate/longest")), "did you mean 'gates'"),
    (
        lambda: study(Claim(**HELD, on="probe/gates/longst/1/h"), probes=["gates"]),
        "did you mean 'longest'",
    ),
    (lambda: study(Claim(**HELD, on="probe/gates/gate/1/f"), probes=["gates"]), "as one number"),
]


@pytest.mark.parametrize(("make", "message"), WRONG, ids=[message[:30] for _, message in WRONG])
def test_a_mistake_is_one_line_that_names_it(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    line = one_line(caught.value)
    assert "\n" not in line and re.search(message, line), line


def test_a_probe_says_which_of_its_quantities_are_one_number() -> None:
    assert {"slope", "half_life", "half_life_low"} <= set(numbers_of("gradient_reach"))
    assert "state" not in numbers_of("gradient_reach")
    assert numbers_of("dead_units") == ["dead", "saturated"]


# In study.json.


def test_claims_are_written_and_read_and_old_ones_mean_what_they_meant(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "small")
    folder.reconcile(study(*(claim for claim, _ in WORDS)))
    read = read_study(folder.path).claims
    assert [claim.text for claim in read] == [words for _, words in WORDS]
    assert [c.than_on for c in read[-3:]] == ["test/50/score", "test/all/loss", "test/loss"]
    assert [(c.than, c.value, c.than_lag, c.threshold) for c in read[4:7]] == [
        ("rnn", None, 4, 0.0),
        ("highway", None, None, 1.25),
        ("", 0.17, 8, 0.02),
    ]
    record = json.loads(folder.file.read_text())
    old = {"arm": "highway", "than": "rnn", "on": "solve_rate", "task": None, "lag": 8, "text": "t"}
    folder.file.write_text(json.dumps({**record, "claims": [old]}))
    assert read_study(folder.path).claims == (Read("highway", "rnn", None, 8, "t"),)
    # The declaration as it was written before claims had more to say is the same study.
    declared = {k: old[k] for k in ("arm", "than", "on", "task", "lag")}
    record["declaration"]["claims"] = [declared]
    folder.file.write_text(json.dumps(record))
    folder.check(study(Claim(arm="highway", than="rnn", lag=8)))


STRANGE: list[tuple[dict[str, Any], str]] = [
    ({"on": "validation/score"}, "known: solve_rate"),
    ({"relation": "most"}, "known: more"),
    ({"scale": "log"}, "known: difference"),
    ({"relation": "equivalent within"}, "does not go with"),
    ({"threshold": -1, "scale": "ratio"}, "does not go with"),
    ({"threshold": 1e999}, "not valid JSON|Infinity|does not go with"),
    ({"value": 0, "scale": "ratio"}, "cannot be compared"),
    ({"than": "nobody"}, "no arm 'nobody'"),
    ({"than": 7}, "text expected"),
    ({"on": "test/0/score"}, "known: solve_rate"),
    ({"on": "test/score", "than_on": "test/9/loss"}, "is not what 'test/score' is held against"),
    ({"than_on": "test/9/score"}, "is not what 'solve_rate' is held against"),
    ({"on": "test/score", "than_on": "test/score/9"}, "known: solve_rate"),
]


@pytest.mark.parametrize(("change", "message"), STRANGE, ids=[str(c)[:40] for c, _ in STRANGE])
def test_what_a_stranger_claims_is_one_line(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = plant(tmp_path / "s", claims=[("gated", "plain", None, None)], has_logs=False)
    record = json.loads((folder / "study.json").read_text())
    record["claims"][0] |= change
    (folder / "study.json").write_text(json.dumps(record))
    with pytest.raises(StudyFileError, match=message) as caught:
        read_study(folder)
    assert "\n" not in str(caught.value)


def test_more_claims_than_a_report_can_test_are_refused(tmp_path: Path) -> None:
    folder = plant(tmp_path / "s", claims=[("gated", "plain", None, None)] * 1001, has_logs=False)
    with pytest.raises(StudyFileError, match="1,001 of them; at most 1,000"):
        read_study(folder)


# Rates.


def test_a_threshold_is_tested_by_the_bound_of_the_interval() -> None:
    for counts in (Counts(9, 10, 4, 10), Counts(3, 5, 5, 5), Counts(0, 7, 2, 9)):
        for confidence in (0.9, 0.95):
            low, high = confint_proportions_2indep(*counts, method="newcomb", alpha=1 - confidence)
            found = Rates([counts])
            assert found.interval(confidence) == pytest.approx((low, high))
            assert found.p(low, "greater") == pytest.approx((1 - confidence) / 2)
            assert found.p(high, "less") == pytest.approx((1 - confidence) / 2)
            ratio = Rates([counts], is_ratio=True)
            least, most = ratio.interval(confidence)
            if 0 < least:
                assert ratio.p(least, "greater") == pytest.approx((1 - confidence) / 2, rel=1e-4)
            if most < np.inf:
                assert ratio.p(most, "less") == pytest.approx((1 - confidence) / 2, rel=1e-4)
            assert least <= (ratio.effect if not np.isnan(ratio.effect) else least) <= most


def test_a_rate_against_a_number_is_tested_as_by_scipy() -> None:
    found = Rates([Counts(9, 10, 0, 0)], value=0.5)
    for side in ("greater", "less"):
        for at in (0.3, 0.5, 0.8):
            expected = binomtest(9, 10, at, alternative=side).pvalue
            assert found.p(at - 0.5, side) == pytest.approx(expected)  # type: ignore[arg-type]
    low, high = proportion_confint(9, 10, method="beta")
    assert found.interval() == pytest.approx((low - 0.5, high - 0.5))
    assert found.p(0.6, "greater") == 1 and found.p(0.6, "less") == 0
    pooled = Rates([Counts(9, 10, 0, 0), Counts(7, 10, 0, 0)], value=0.5)
    assert pooled.effect == pytest.approx(0.3)
    assert pooled.p(pooled.interval(0.9)[0], "greater") == pytest.approx(0.05)


def test_that_two_rates_are_equivalent_is_said_wrongly_in_five_of_a_hundred_at_most() -> None:
    # All outcomes of 20 against 20, at a difference that lies on the margin.
    n, claim = 20, Read("b", "a", None, None, "", relation="equivalent within", threshold=0.3)
    for low in (0.1, 0.35):
        weights = np.outer(*(binom.pmf(range(n + 1), n, rate) for rate in (low + 0.3, low)))
        said = sum(
            weights[k, m]
            for k in range(n + 1)
            for m in range(n + 1)
            if weights[k, m] > 1e-6
            and compare._inside(claim, Rates([Counts(k, n, m, n)]).p) <= 0.05
        )
        assert 0.01 < said < 0.065, (low, said)


# Values, and verdicts.


def runs(cells: dict[tuple[str, int], Any], n: int = 6, on: str = "test/score") -> pd.DataFrame:
    """Give the runs of arms at lags, with these values of their trials (or (outcome, steps))."""
    rows = []
    for (arm, lag), each in cells.items():
        for seed, value in enumerate(each):
            row = {"trial": f"{arm}{lag}{seed}", "arm": arm, "task": "t", "lag": lag, "seed": seed}
            row |= {"outcome": "unsolved", "solved_step": pd.NA, "budget_steps": 100}
            row |= {"chance_score": 0.1, "test/score": 0.5, "test/loss": 0.5}
            if on == "steps_to_solve":
                row |= {"outcome": "solved", "solved_step": value} if value < 100 else {}
            else:
                row[on] = value
            rows.append(row)
    return pd.DataFrame(rows).astype({"solved_step": "Int64"})


NO_RATES = pd.DataFrame(columns=["arm", "task", "lag", "solved", "n"])


def judged(frame: pd.DataFrame, probes: pd.DataFrame | None = None, **claim: Any) -> Any:
    claim = {"arm": "b", "than": "a", "task": None, "lag": None, "text": "", **claim}
    found = compare.judge(NO_RATES, [Read(**claim)], is_complete=True, runs=frame, probes=probes)
    return found.iloc[0]


LOW, HIGH = (np.linspace(0.1, 0.2, 6), np.linspace(0.8, 0.9, 6))


def test_a_score_is_compared_in_pairs_of_one_seed_and_a_failure_scores_nothing() -> None:
    row = judged(runs({("a", 1): LOW, ("b", 1): HIGH}), on="test/score")
    assert row["verdict"] == "supported" and row["p"] == pytest.approx(2 / 2**6)
    assert row["effect"] == pytest.approx(0.7) and "pairs" in row["test"]
    assert judged(runs({("a", 1): HIGH, ("b", 1): LOW}), on="test/score")["verdict"] == (
        "contradicted"
    )
    failed = judged(runs({("a", 1): LOW, ("b", 1): [*HIGH[:-1], np.nan]}), on="test/score")
    assert failed["mean_arm"] == pytest.approx(HIGH[:-1].sum() / 6)
    lost = judged(runs({("a", 1): LOW, ("b", 1): [*HIGH[:-1], np.nan]}, on="test/loss"),
                  on="test/loss", relation="less")  # fmt: skip
    assert lost["mean_arm"] == pytest.approx(np.mean([*HIGH[:-1], HIGH[-2]]))


def test_a_claim_is_judged_at_the_lag_of_the_test_that_it_names() -> None:
    far = {"test/50/score": [*HIGH - 0.3, *LOW], "test/90/score": [*HIGH, *HIGH]}
    frame = runs({("b", 1): HIGH, ("a", 1): HIGH}).assign(**far)
    assert judged(frame, on="test/score")["effect"] == pytest.approx(0)
    row = judged(frame, on="test/50/score", relation="at least", threshold=0.3)
    assert row["effect"] == pytest.approx(0.4) and row["verdict"] == "supported"
    assert row["p"] == pytest.approx(2 / 2**6), "each of six pairs lies beyond the threshold"
    assert judged(frame, on="test/20/score")["verdict"] == "no data"
    # One arm at two lags: the same trials, in pairs.
    itself = {"arm": "a", "than": "a", "on": "test/50/score", "than_on": "test/90/score"}
    row = judged(frame, **itself, relation="less")
    assert row["effect"] == pytest.approx(-0.7) and row["p"] == pytest.approx(2 / 2**6)
    assert judged(frame, **itself, relation="more")["verdict"] == "contradicted"
    # Who failed before the test scores nothing there.
    lost = frame.assign(**{"test/50/score": [np.nan, *HIGH[1:] - 0.3, *LOW]})
    assert judged(lost, on="test/50/score")["mean_arm"] == pytest.approx((HIGH[1:] - 0.3).sum() / 6)


def test_a_study_is_judged_at_other_lags_of_its_test(tmp_path: Path) -> None:
    """From the logs to the verdict: both sides alike at their own lag, apart at the other."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        score = (0.9 if arm == "gated" else 0.5) + 0.01 * seed
        more = {"test/5/score": 0.0, "test/5/loss": 9.0}  # its own lag, which counts once
        return Fate("solved", test_score=0.99, config={"test_lags": [20, 5, 7]},
                    summary={"test/20/score": score, "test/20/loss": 0.1, **more,
                             "test/7/score": 0.01 * seed,
                             "test/7/loss": None if seed == 1 else 0.2})  # fmt: skip

    folder = plant(tmp_path / "s", fate, claims=[("gated", "plain", None, None)])
    record = json.loads((folder / "study.json").read_text())
    record["claims"][0] |= {"on": "test/20/score", "relation": "at least", "threshold": 0.3}
    (folder / "study.json").write_text(json.dumps(record))
    report.write(folder, tmp_path / "out", {}, has_pdf=False)
    found = pd.read_csv(tmp_path / "out/tables/claims.csv").iloc[0]
    assert found["verdict"] == "supported" and found["effect"] == pytest.approx(0.4)
    assert "0.920 (n 5)" in (tmp_path / "out/report.md").read_text()
    wide = load(folder).runs_with_tests.set_index(["arm", "seed"]).loc["gated"]
    assert wide["test/all/score"][2] == pytest.approx((0.99 + 0.92 + 0.02) / 3)
    assert wide["test/all/loss"][2] == pytest.approx((0.01 + 0.1 + 0.2) / 3)
    assert np.isnan(wide["test/all/loss"][1]), "of what failed at one lag there is no mean"


def test_a_score_counts_where_none_is_called_solved_and_not_where_nothing_was_trained() -> None:
    frame = runs({("a", 1): LOW, ("b", 1): HIGH}).assign(outcome="measured", chance_score=np.nan)
    assert judged(frame, on="test/score")["verdict"] == "supported"
    assert judged(frame.assign(budget_steps=0), on="test/score")["verdict"] == "no data"


def test_the_seeds_that_would_do_are_enough_exchanges_too() -> None:
    frame = runs({("a", 1): LOW, ("b", 1): HIGH})
    claims = [Read("b", "a", None, None, "", on="test/score")] * 9
    found = compare.judge(NO_RATES, claims, is_complete=True, runs=frame)
    # Of nine claims each needs p <= .05 / 9: the signs of 9 pairs reach 2 / 512, of 8 not enough.
    assert found["remedy"][0].startswith("about 9 seeds")


def test_steps_are_restricted_means_and_pooled_over_lags() -> None:
    frame = runs(
        {("a", 1): [50, 60, 100, 100, 70], ("b", 1): [20, 30, 25, 30, 40],
         ("a", 2): [100] * 5, ("b", 2): [60, 70, 65, 100, 80]}, on="steps_to_solve"
    )  # fmt: skip
    row = judged(frame, on="steps_to_solve", relation="less")
    assert row["effect"] == pytest.approx(np.mean([29 - 76, 75 - 100]))
    assert row["verdict"] == "supported" and row["groups"] == 2
    half = judged(frame, on="steps_to_solve", relation="at most", scale="ratio", threshold=0.9)
    assert half["effect"] == pytest.approx((29 + 75) / (76 + 100))
    assert half["low"] < half["effect"] < half["high"]
    other = judged(frame, on="steps_to_solve", arm="b", than="b", lag=2, than_lag=1)
    assert other["effect"] == pytest.approx(75 - 29) and other["groups"] == 1


def test_where_nothing_varies_nothing_is_concluded() -> None:
    frame = runs({("a", 1): [100] * 9, ("b", 1): [100] * 9}, on="steps_to_solve")
    for relation, threshold in (("equivalent within", 10.0), ("at most", 50.0), ("more", 0.0)):
        row = judged(frame, on="steps_to_solve", relation=relation, threshold=threshold)
        assert row["p"] == 1 and row["verdict"] == "too few seeds to tell", relation


def test_two_are_equivalent_where_both_one_sided_tests_say_so() -> None:
    generator = np.random.default_rng(0)
    a, b = generator.normal(0.5, 0.05, 10), generator.normal(0.5, 0.05, 10)
    claim = {"on": "test/score", "relation": "equivalent within"}
    row = judged(runs({("a", 1): a, ("b", 1): b}), **claim, threshold=0.2)
    assert row["verdict"] == "supported" and row["test"].startswith("two one-sided")
    pair = [differences.Pair(b, a)]
    expected = max(
        differences.means(pair, is_paired=True, shift=-0.2, side="greater").p,
        differences.means(pair, is_paired=True, shift=0.2, side="less").p,
    )
    assert row["p"] == pytest.approx(expected)
    near = judged(runs({("a", 1): a, ("b", 1): b}), **claim, threshold=0.03)
    assert near["verdict"] == "too few seeds to tell" and "so alike" in near["remedy"]
    apart = judged(runs({("a", 1): a, ("b", 1): b + 0.5}), **claim, threshold=0.2)
    assert apart["verdict"] == "contradicted"


def test_a_published_number_is_reproduced_by_the_median() -> None:
    claim = {"on": "test/loss", "value": 0.5, "than": "", "relation": "equivalent within"}
    frame = runs({("b", 1): np.linspace(0.48, 0.53, 9)}, on="test/loss")
    row = judged(frame, **claim, threshold=0.05)
    assert row["verdict"] == "supported" and row["p"] == pytest.approx(0.5**9)
    assert judged(frame, **claim, threshold=0.001)["verdict"] == "too few seeds to tell"
    far = runs({("b", 1): np.linspace(0.9, 1.0, 9)}, on="test/loss")
    assert judged(far, **claim, threshold=0.05)["verdict"] == "contradicted"


def test_a_probe_counts_with_what_it_measured_last() -> None:
    frame = runs({("a", 1): LOW, ("b", 1): LOW})
    rows = [
        {"trial": trial, "step": step, "probe": "gates", "quantity": "longest", "layer": "1",
         "part": "h", "unit": pd.NA, "index": pd.NA,
         "value": (5.0 if trial[0] == "b" else 1.0) + 0.1 * place if step else 0.0}
        for place, trial in enumerate(frame["trial"]) for step in (0, 50)
    ]  # fmt: skip
    probes = pd.DataFrame(rows).astype({"unit": "Int64", "index": "Int64"})
    key = "probe/gates/longest/1/h"
    row = judged(frame, probes, on=key)
    assert row["verdict"] == "supported" and row["effect"] == pytest.approx(4.6)
    assert judged(frame, probes, on="probe/gates/longest/2/h")["verdict"] == "no data"
    assert judged(frame, probes.iloc[:0], on=key)["verdict"] == "no data"
    # Without a name, the only layer; of two, neither.
    whole = probes.assign(part="")
    assert judged(frame, whole, on="probe/gates/longest")["effect"] == pytest.approx(4.6)
    both = pd.concat([whole, whole.assign(layer="2")], ignore_index=True)
    assert judged(frame, both, on="probe/gates/longest")["verdict"] == "no data"


def test_all_claims_of_a_study_are_one_family_whatever_they_are_on() -> None:
    frame = runs({("a", 1): LOW, ("b", 1): HIGH})
    rates = pd.DataFrame(
        [("b", "t", 1, 6, 6), ("a", "t", 1, 0, 6)], columns=["arm", "task", "lag", "solved", "n"]
    )
    claims = [Read("b", "a", None, None, ""), Read("b", "a", None, None, "", on="test/score")]
    found = compare.judge(rates, claims, is_complete=True, runs=frame)
    assert found["p_adjusted"].tolist() == pytest.approx(
        [2 * found["p"][0], max(2 * found["p"][0], found["p"][1])]
    )
    assert fisher_exact([[6, 0], [0, 6]]).pvalue < 0.05 and norm.sf(0) == 0.5


def test_the_report_tells_what_was_claimed_found_and_how_it_was_tested(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        is_gated = arm == "gated"
        return Fate("solved" if is_gated else "unsolved", solved_step=100 + 25 * seed,
                    test_score=(0.9 if is_gated else 0.3) + 0.01 * seed)  # fmt: skip

    folder = plant(
        tmp_path / "s", fate, seeds=8, recipes={a: {"stop": "budget"} for a in ("plain", "gated")}
    )
    record = json.loads((folder / "study.json").read_text())
    base = {"arm": "gated", "than": "plain", "task": "adding/x", "lag": 5}
    record["claims"] = [
        {**base, "on": "test/score", "text": "scores <more>"},
        {**base, "on": "steps_to_solve", "relation": "at most", "scale": "ratio",
         "threshold": 0.5, "text": "half the steps"},
        {**base, "than": None, "on": "solve_rate", "value": 0.5, "relation": "at least",
         "text": "half of them"},
    ]  # fmt: skip
    (folder / "study.json").write_text(json.dumps(record))
    report.write(folder, tmp_path / "out", {}, has_pdf=False)
    text = (tmp_path / "out/report.md").read_text()
    section = text[text.index("## Claims") :].splitlines()
    assert "0.935 (n 8) | 0.335 (n 8) | +0.600" in section[4]
    assert "188 (n 8) | 1,000 (n 8) | x 0.188" in section[5]
    assert "8/8 | 0.5 | +50%" in section[6]
    assert all("supported" in line for line in section[4:7])
    page = (tmp_path / "out/index.html").read_text()
    assert "Schuirmann 1987" in page and "sign test" in page and "<more>" not in page
