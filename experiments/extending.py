"""What a study has more, less or otherwise than the one its folder was made for."""

from dataclasses import dataclass
from typing import Any

from experiments.study import Study, Trial

Cell = tuple[str, str, int, int]


@dataclass(frozen=True)
class Change:
    """Between a recorded study and the one that is asked for.

    `conflict` names the first thing that is changed or taken away, which no extension can do.
    `added` gives what is new, by axis.
    """

    conflict: str | None
    added: dict[str, tuple[Any, ...]]

    def text(self) -> str:
        """Say what is new in one line."""
        axes = [f"{axis} {', '.join(map(str, new))}" for axis, new in self.added.items()]
        return "; ".join(axes)


def compare(recorded: Study, asked: Study) -> Change:
    """Hold a study against the recorded one."""
    return Change(_conflict(recorded, asked), _added(recorded, asked))


def _conflict(recorded: Study, asked: Study) -> str | None:
    for field in ("name", "question", "claims", "tuning"):
        if found := first_difference(getattr(recorded, field), getattr(asked, field), field):
            return found
    old, new = recorded.resolved_reference, asked.resolved_reference
    if old != new:
        return f"reference {old} -> {new}"
    old_cells, new_cells = _cells(recorded), _cells(asked)
    for cell, trial in old_cells.items():
        now = new_cells.get(cell)
        if now is not None and now.id != trial.id:
            return first_difference(_declared(trial), _declared(now), "")
    before, after = _axes(recorded), _axes(asked)
    if recorded.tuning is not None:
        for of in recorded.tasks:
            more = [lag for lag in after.get(f"lags of {of.task}", ()) if lag not in of.lags]
            if more:
                at = ", ".join(map(str, of.lags))
                return f"lags of {of.task}: the learning rate was tuned at {at}, not at {more[0]}"
    for axis, values in before.items():
        gone = [str(value) for value in values if value not in after.get(axis, ())]
        if gone:
            return f"{axis} {', '.join(gone)} not in it any more"
    return None


def _added(recorded: Study, asked: Study) -> dict[str, tuple[Any, ...]]:
    before, after = _axes(recorded), _axes(asked)
    new = {
        axis: tuple(value for value in values if value not in before.get(axis, ()))
        for axis, values in after.items()
    }
    return {axis: values for axis, values in new.items() if values}


def _axes(study: Study) -> dict[str, tuple[Any, ...]]:
    return {
        "arms": tuple(arm.label for arm in study.resolved_arms),
        "tasks": tuple(axis.task for axis in study.tasks),
        **{f"lags of {axis.task}": axis.lags for axis in study.tasks},
        "seeds": study.seeds,
        "probes": tuple(probing.text for probing in study.probes),
    }


def _cells(study: Study) -> dict[Cell, Trial]:
    # One seed stands for all: a trial holds nothing else that depends on it.
    trials = study.untuned.model_copy(update={"seeds": study.seeds[:1]}).trials()
    return {(t.arm.label, f"{t.task}/{t.dialect}", t.lag, 0): t.model_copy(update={"seed": 0})
            for t in trials}  # fmt: skip


def _declared(trial: Trial) -> dict[str, Any]:
    arm = trial.arm.identity()
    return {
        "recipe": trial.recipe.model_dump(),
        **trial.model_dump(exclude={"study", "arm", "recipe"}),
        "architecture": f"{arm['architecture']} of arm {trial.arm.label}",
        f"options of {trial.arm.label}": arm["options"],
        **{f"{name} of {trial.arm.label}": value for name, value in trial.arm.shape().items()},
    }


def first_difference(old: Any, new: Any, place: str) -> str | None:
    """Name the first place where two values differ, and both values there."""
    if hasattr(old, "model_dump") and hasattr(new, "model_dump"):
        old, new = old.model_dump(), new.model_dump()
    if isinstance(old, dict) and isinstance(new, dict):
        pairs = [(f"{place}.{key}", old.get(key), new.get(key)) for key in {**old, **new}]
    elif isinstance(old, tuple | list) and isinstance(new, tuple | list) and len(old) == len(new):
        pairs = [(f"{place}.{i}", a, b) for i, (a, b) in enumerate(zip(old, new, strict=True))]
    elif old != new:
        return f"{place.lstrip('.')} {_short(old)} -> {_short(new)}"
    else:
        return None
    return next((d for p, a, b in pairs if (d := first_difference(a, b, p))), None)


def _short(value: Any) -> str:
    if isinstance(value, tuple | list):
        value = [getattr(v, "text", v) for v in value]
    text = str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
