"""What a study would run, as tables: arms, tasks, sizes at the budget, and how long it takes."""

from contextlib import nullcontext
from typing import Any

from rich.markup import escape
from rich.table import Table

from experiments import timing
from experiments.cli_lines import console, say
from experiments.folder import StudyFolder
from experiments.pool import Pool
from experiments.study import Study, Trial
from experiments.tuning import base


def show(study: Study, folder: StudyFolder, workers: int | None, pool: Pool | None = None) -> None:
    """Print the plan of a study; creates nothing."""
    recorded = folder.recorded() if study.tuning else None
    study = study.with_choices(recorded.choices) if recorded else study
    known = {(trial.group, trial.seed): trial for trial in study.trials()}
    trials = [known.get((trial.group, trial.seed), trial) for trial in study.untuned.trials()]
    missing = [trial for trial in trials if folder.result(trial.id) is None]
    say(f"{study.name}: {study.question}", style="bold")
    places = sum(len(axis.lags) for axis in study.tasks)
    say(
        f"{len(study.resolved_arms)} arms x {places} (task, lag) x {len(study.seeds)} seeds "
        f"= {len(trials)} trials; {len(trials) - len(missing)} done in {folder.path}"
    )
    before = _tuning_left(study, folder)
    if study.tuning is not None:
        rates = ", ".join(f"{rate:g}" for rate in study.tuning.learning_rate)
        say(
            f"tuned before, on seeds of its own: {study.tuning_size} trials at learning rates "
            f"{rates}; {len(before)} left in {folder.tuning.path}"
        )
    for choice in study.choices:
        say(f"tuned: {choice.text}")
    table = _table("task", "lags")
    for axis in study.tasks:
        further = f"; tested at {', '.join(map(str, axis.test_lags))}" if axis.test_lags else ""
        table.add_row(axis.task, ", ".join(map(str, axis.lags)) + further)
    console.print(table)
    for axis in study.tasks:
        if axis.curriculum is not None:
            say(f"{axis.task}: {axis.curriculum.text}")
    for line in inequalities(study):
        say(line, style="yellow")
    shapes = [arm.in_words() for arm in study.resolved_arms]
    table = _table("arm", *["layers"] * any(shapes), "options")
    for arm, shape in zip(study.resolved_arms, shapes, strict=True):
        options = ", ".join(f"{name}={value}" for name, value in arm.options.items())
        role = " (reference)" if arm.label == study.resolved_reference else ""
        cells = [escape(arm.label + role), *[shape or "1 layer"] * any(shapes), escape(options)]
        table.add_row(*cells)
    console.print(table)
    _show_sizes(study)
    missing = [*before, *missing]
    if not missing:
        say("nothing is left to run")
        return
    # Found out while somebody waits, and the rest can be read meanwhile.
    with console.status("timing") if console.is_terminal else nullcontext():
        estimate = timing.estimate(trials, missing, folder)
    if estimate is None:
        say("the time is estimated where torch is installed, or a trial has finished", style="dim")
        return
    count = min(workers or timing.cores(), len(missing))
    left = "" if len(missing) == study.size + study.tuning_size else f"{len(missing)} left: "
    say(f"{left}{estimate.text(count)}")
    if pool is not None:
        say(pool.text(estimate.seconds, estimate.longest, len(missing)))


def _tuning_left(study: Study, folder: StudyFolder) -> list[Trial]:
    """Give the tuning trials that are to be run, under their arm's label: they take as long."""
    tuning = study.tuning_study
    made = {(choice.arm, choice.task) for choice in study.choices}
    left = []
    for trial in tuning.trials() if tuning else ():
        label = base(trial.arm.label, trial.recipe.learning_rate)
        if (label, trial.place) not in made and folder.tuning.result(trial.id) is None:
            arm = trial.arm.model_copy(update={"label": label})
            left.append(trial.model_copy(update={"arm": arm}))
    return left


def inequalities(study: Study) -> list[str]:
    """Say, a line each, where the arms of a study are not trained alike."""
    lines = []
    recipes = [arm.recipe for arm in study.resolved_arms if arm.recipe is not None]
    for field in type(study.recipe).model_fields:
        if field == "learning_rate" and study.tuning:
            continue
        values = {getattr(recipe, field) for recipe in recipes}
        if len(values) > 1:
            given = ", ".join(
                f"{arm.label} {getattr(arm.recipe, field)}" for arm in study.resolved_arms
            )
            lines.append(f"not equal between arms: {field}: {given}")
    budgets = {arm.label: arm.budget or study.budget for arm in study.resolved_arms}
    if len(set(budgets.values())) > 1:
        given = ", ".join(f"{arm} {b.amount:,} {b.measure}" for arm, b in budgets.items())
        lines.append(f"not equal between arms: budget: {given}")
    return lines


def _windows(study: Study) -> list[str]:
    """Say, a line each, how far back the arms see whose layers see a limited number of steps."""
    from experiments import sizes

    arms = {trial.arm.label: trial for trial in study.trials()}
    reaches = {label: sizes.seen(trial) for label, trial in arms.items()}
    return [
        f"{label} sees {reach:,} steps, its own included"
        for label, reach in reaches.items()
        if reach is not None
    ]


def _show_sizes(study: Study) -> None:
    sizes = _sizes(study)
    if not sizes:
        say("sizes are counted where torch is installed", style="dim")
        return
    for remark in _remarks(study):
        say(remark, style="yellow")
    for line in _windows(study):
        say(line, style="dim")
    budget = study.budget
    table = _table("arm", "task", "units", budget.measure, "off")
    for (label, task), match in sizes.items():
        cells = f"{match.hidden_size:,}", f"{match.counted:,}", f"{match.deviation:+.1%}"
        table.add_row(escape(label), task, *cells)
    console.print(table)
    say(f"counted; the budget is {budget.amount:,} {budget.measure}", style="dim")


def _sizes(study: Study) -> dict[tuple[str, str], Any]:
    try:
        from experiments import finding, sizes

        finding.check_code(study)
    except ImportError:
        return {}
    return dict(sizes.of(study))


def _remarks(study: Study) -> list[str]:
    """Say what is to be known of the data of the tasks."""
    from experiments.sizes import task_of

    tasks = {trial.place: trial for trial in study.trials()}
    return [remark for trial in tasks.values() for remark in task_of(trial).remarks]


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False)
