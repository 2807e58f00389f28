"""The answer: sentences computed from the numbers, and from nothing else."""

from pathlib import Path
from typing import Any

import pandas as pd
from planted_quick import QUICK, quick
from planting import Fate, plant

from analysis.answer import Answer, compose
from analysis.compare import judge
from analysis.estimate import solve_rates
from analysis.sources import load


def answer_to(folder: Path, *arguments: Any, **more: Any) -> Answer:
    frames = load(plant(folder, *arguments, **more))
    rates = solve_rates(frames.runs)
    verdicts = judge(rates, frames.study.claims, is_complete=not frames.ledger.open)
    return compose(rates, verdicts, frames.ledger)


def test_swapped_roles_give_the_swapped_answer(tmp_path: Path) -> None:
    roles = {"rnn": "highway", "highway": "rnn"}
    answer = answer_to(tmp_path, quick(roles), **QUICK)
    assert (
        "No arm solves every task at its longest lag with every seed: rnn solves 3 of 4; "
        "lstm, residual, densenet and highway each solve 1 of 4." == answer.headline
    )
    assert any(
        line.startswith("rnn solves more seeds than highway on temporal_order/pascanu at lag 60")
        and "and fewer on copy_memory/small at lag 20 (0/5 against 5/5)." in line
        for line in answer.reversals
    )
    verdicts = {claim: verdict for verdict, claim in answer.claims}
    assert list(verdicts.values()).count("contradicted") == 4
    same = "lstm solves more often than rnn (adding/arjovsky, lag 30)"
    assert verdicts[same] == "too few seeds to tell"


def test_an_order_that_does_not_reverse_is_not_said_to(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> str:
        return "solved" if arm == "gated" or lag == 5 else "unsolved"

    answer = answer_to(tmp_path, fate, tasks={"a/x": [5, 30], "b/x": [5, 30]})
    assert answer.reversals == []
    assert answer.headline == (
        "gated solves every task at its longest lag with every seed: plain solves none of 2."
    )


def test_a_failure_at_the_shortest_lag_is_no_failure_of_memory(tmp_path: Path) -> None:
    answer = answer_to(
        tmp_path,
        lambda arm, task, lag, seed: "unsolved" if arm == "plain" else "solved",
        tasks={"a/x": [5, 30]},
    )
    assert "it may be the recipe that fails, not the memory" in answer.points[0]


def test_where_no_rate_can_be_stated_the_claims_are_told(tmp_path: Path) -> None:
    def told(*verdicts: str) -> str:
        frames = load(plant(tmp_path / "_".join(verdicts), lambda *_: Fate("measured")))
        found = pd.DataFrame({"verdict": verdicts, "claim": list(verdicts)}, dtype="str")
        return compose(solve_rates(frames.runs), found, frames.ledger).headline

    nothing = "No solve rate can be stated: the study's trials measure, or their tasks have no"
    assert told("no data").startswith(nothing)
    assert told("supported").startswith(f"The claim stated in advance is supported. {nothing}")
    many = told("supported", "too few seeds to tell", "no data", "supported")
    assert many.startswith(f"Of 3 claims stated in advance, 2 are supported. {nothing}")


def test_while_a_trial_is_missing_the_order_and_the_verdicts_are_withheld(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> Fate | str:
        is_last = (arm, task, lag, seed) == ("densenet", "adding/arjovsky", 5, 4)
        return "missing" if is_last else quick()(arm, task, lag, seed)

    answer = answer_to(tmp_path, fate, **QUICK)
    assert answer.headline.startswith(
        "No order among the arms is given: 1 of 200 planned trials lacks a result (1 missing), "
    )
    assert answer.points == answer.reversals == []
    assert {verdict for verdict, _ in answer.claims} <= {"withheld"}


def test_an_extension_after_a_look_is_told(tmp_path: Path) -> None:
    added = {"on": "2026-01-02", "added": "seeds 5, 6", "trials": 4, "done": 10, "before": {}}
    folder = plant(tmp_path, extensions=[added])
    frames = load(folder)
    rates = solve_rates(frames.runs)
    verdicts = judge(rates, frames.study.claims, is_complete=True)
    caveats = compose(rates, verdicts, frames.ledger).caveats
    assert any("2026-01-02 by 4 trials (seeds 5, 6), when 10 had been done" in c for c in caveats)
