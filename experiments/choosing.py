"""From finished tuning trials to the learning rate of each arm on each task. Knows no torch."""

from analysis import sources, tuning
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.tuning import Choice, Tried

Pairs = set[tuple[str, str]]
"""Arms and tasks, as `study.json` names them."""


def choose(folder: StudyFolder, pairs: Pairs) -> tuple[Choice, ...]:
    """Choose the rate of each pair from the logs of the tuning trials in a study's folder.

    Whoever reads the same finished trials chooses the same.

    Raises
    ------
    StudyError
        When one of their trials has no result: a choice among fewer would not be fair.
    """
    frames = sources.load(folder.tuning.path)
    rates = {arm.label: arm.recipe.learning_rate for arm in frames.study.arms}
    lacking = [
        entry
        for entry in frames.ledger.open
        if (tuning.base(entry.trial.arm, rates[entry.trial.arm]), entry.trial.task) in pairs
    ]
    if lacking:
        first = lacking[0]
        why = f"{first.state}: {first.note}" if first.note else first.state
        raise StudyError(
            f"{len(lacking)} tuning trials have no result, the first {first.trial.id} ({why}); "
            f"longdep retry {folder.tuning.path}"
        )
    tried = tuning.tried(tuning.validated(frames))
    of: dict[tuple[str, str], list[Tried]] = {}
    for row in tried.to_dict("records"):
        values = {name: row[name] for name in Tried.model_fields}
        of.setdefault((row["arm"], row["task"]), []).append(Tried(**values))
    return tuple(
        Choice(arm=arm, task=task, learning_rate=rate, tried=tuple(of[arm, task]))
        for arm, task, rate in tuning.choose(tried)[[*tuning.PAIR, "learning_rate"]].itertuples(
            index=False, name=None
        )
        if (arm, task) in pairs
    )
