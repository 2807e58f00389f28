"""Which trials of a study are meant: `--only arm=lstm,task=adding,lag=30,seed=0`."""

import re

from experiments.loading import StudyError
from experiments.study import Study, Trial
from lightning_modules import registry

KEYS = ("arm", "task", "lag", "seed")


def select(study: Study, only: list[str]) -> list[Trial]:
    """Give the trials that every named key admits; a key given twice admits either value.

    Of a study with tuning, those whose learning rate has been chosen.

    Raises
    ------
    StudyError
        When a key or a value is none of the study's.
    """
    trials = study.untuned.trials() if study.tuning else study.trials()
    wanted: dict[str, set[str]] = {}
    for part in (part for text in only for part in _parts(text, study)):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in KEYS:
            raise StudyError(
                f"--only {part!r}: write key=value; the keys are {', '.join(KEYS)}"
                f"{registry.hint(key, KEYS)}"
            )
        known = sorted({v for trial in trials for v in _values(trial)[key]}, key=_by_number)
        if value not in known:
            near = registry.hint(value, known)
            raise StudyError(f"--only {key}={value}: the study has {', '.join(known)}{near}")
        wanted.setdefault(key, set()).add(value)
    found = [t for t in trials if all(_values(t)[key] & values for key, values in wanted.items())]
    if not found:
        raise StudyError(f"--only {','.join(only)}: the study has no such trial")
    if study.tuning is None:
        return found
    cells = {(trial.group, trial.seed) for trial in found}
    return [trial for trial in study.trials() if (trial.group, trial.seed) in cells]


def _parts(text: str, study: Study) -> list[str]:
    """Split what is named at its commas, but for those in the label of an arm."""
    labels = sorted({arm.label for arm in study.resolved_arms if "," in arm.label}, key=len)
    if not labels:
        return text.split(",")
    named = "|".join(map(re.escape, reversed(labels)))
    return re.findall(rf"\s*arm\s*=\s*(?:{named})(?=\s*(?:,|$))|[^,]+", text)


def _values(trial: Trial) -> dict[str, set[str]]:
    return {
        "arm": {trial.arm.label},
        "task": {trial.task, f"{trial.task}/{trial.dialect}"},
        "lag": {str(trial.lag)},
        "seed": {str(trial.seed)},
    }


def _by_number(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdigit() else (-1, value)
