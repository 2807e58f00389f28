"""What a report holds besides its answer: tables, warnings, what is not equal between arms."""

import json
from pathlib import Path
from typing import Any

from planting import Fate, plant

from analysis import report
from analysis.contents import Contents, gather
from analysis.sources import load


def contents(folder: Path, *arguments: Any, **more: Any) -> Contents:
    return gather(load(plant(folder, *arguments, **more)))


def test_withheld_verdicts_tell_counts_and_no_p(tmp_path: Path) -> None:
    found = contents(
        tmp_path,
        lambda arm, task, lag, seed: "missing" if seed else "solved",
        claims=[("gated", "plain", None, None)],
    )
    assert found.glance is None
    assert found.claims is not None
    (row,) = found.claims.cells.to_dict("records")
    assert (row["verdict"], row["p"], row["solved"]) == ("withheld", "\u2013", "1/1")


def test_a_diverged_trial_is_told_and_lowers_its_arms_rate(tmp_path: Path) -> None:
    found = contents(
        tmp_path, lambda a, t, lag, s: "diverged" if (a, s) == ("gated", 0) else "solved"
    )
    cells = found.comparison[0].cells.set_index("arm")
    assert cells["solved"].to_dict() == {"plain": "5/5", "gated": "4/5"}
    assert found.frames.ledger.outcomes["diverged"] == 1


def test_mixed_code_moved_trials_and_repeated_attempts_are_told(tmp_path: Path) -> None:
    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        return Fate("solved", config={"code": {"a.py": str(seed == 0), "b.py": "same"}})

    found = contents(tmp_path, fate)
    assert any("more than one version of a.py." in line for line in found.warnings)


def test_more_than_one_attempt_is_told_of_the_trials_that_needed_it(tmp_path: Path) -> None:
    folder = plant(tmp_path / "study")
    needed, reran = sorted(folder.glob("*/result.json"))[:2]
    for path, more in ((needed, {"attempts": 2}), (reran, {"attempts": 3, "earlier": 2})):
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    assert "1 finished trial needed more than one attempt." in gather(load(folder)).warnings


def test_unequal_recipes_are_printed(tmp_path: Path) -> None:
    recipes = {"gated": {"learning_rate": 0.003, "steps": 2000}}
    found = contents(tmp_path, recipes=recipes)
    assert found.inequalities == [
        "learning rate: plain 0.01, gated 0.003",
        "steps: plain 1000, gated 2000",
    ]
    assert "All arms have this recipe" not in report.page(
        found, {s.name: "" for s in found.figures}
    )


def test_of_many_tasks_each_is_a_row_and_those_that_came_out_alike_share_a_sentence(
    tmp_path: Path,
) -> None:
    tasks = {f"task{n}/x": [5] for n in range(8)}
    found = contents(
        tmp_path,
        lambda arm, task, lag, seed: (
            "unsolved" if (arm, task) == ("plain", "task3/x") else "solved"
        ),
        tasks=tasks,
    )
    assert found.glance is not None
    cells = found.glance.cells
    assert list(cells.columns) == ["task", "plain", "gated"] and len(cells) == 8
    row = cells.set_index("task").loc["task3/x, lag 5"]
    assert (row["plain"], row["gated"]) == ("0/5", "5/5")
    alike, apart, last = found.answer.points
    assert alike.startswith("task0/x (lag 5), task1/x (lag 5)") and "task3" not in alike
    assert alike.endswith("each arm solves it with 5 of 5 seeds.")
    assert apart == "task3/x (lag 5): gated solves it with 5 of 5 seeds; plain with 0 of 5."
    assert last == "These were run at one lag alone: what the lag does is not shown."
