"""From a study to what is run of it: first its tuning, then what is missing at the chosen rates."""

from dataclasses import dataclass

from experiments import choosing, planning, running
from experiments.cli_lines import say
from experiments.engines.base import Where
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.selection import select
from experiments.study import Study, Trial
from experiments.tuning import base


@dataclass(frozen=True)
class Launch:
    """How a study is run: what the command line says besides the study."""

    only: list[str]
    is_extended: bool
    is_added: bool
    where: Where
    is_foreground: bool
    is_online: bool
    is_stale_rerun: bool
    is_stale_kept: bool

    def run(self, study: Study, folder: StudyFolder) -> bool:
        """Run what is missing of a study in its folder; False where nothing was.

        With tuning, the tuning trials of what `only` admits come first, at all lags of a task: from
        them one rate is chosen for all.

        Raises
        ------
        StudyError
            As `StudyFolder.check`, and when finished trials are stale and nobody said what to do.
        """
        asked = select(study.untuned, self.only)
        folder.check(study, is_extended=self.is_extended, is_added=self.is_added)
        if study.tuning is not None:
            study = self._tuned(study, folder, {(t.arm.label, t.place) for t in asked})
        trials = select(study, self.only)
        has_run = self._run(study, folder, folder, trials, study)
        if not has_run:
            say(f"all {len(trials)} trials are done in {folder.path}")
        return has_run

    def _tuned(self, study: Study, folder: StudyFolder, pairs: set[tuple[str, str]]) -> Study:
        recorded = folder.recorded()
        study = study.with_choices(recorded.choices if recorded else ())
        tuning = study.tuning_study
        assert tuning is not None
        open_ = pairs - {(choice.arm, choice.task) for choice in study.choices}
        if not open_:
            return study
        trials = [t for t in tuning.trials() if (_arm_of(t), t.place) in open_]
        self._run(study, folder, folder.tuning, trials, tuning)
        choices = choosing.choose(folder, open_)
        for choice in choices:
            say(f"tuned: {choice.text}")
        return folder.settle(choices)

    def _run(
        self,
        study: Study,
        whole: StudyFolder,
        folder: StudyFolder,
        trials: list[Trial],
        part: Study,
    ) -> bool:
        """Run what is missing of a part of the study, itself or its tuning; False: nothing was."""
        stale = folder.stale(trials)
        if stale and not (self.is_stale_rerun or self.is_stale_kept):
            files = sorted({file for names in stale.values() for file in names})
            raise StudyError(
                f"{len(stale)} finished trials are stale: {', '.join(files)} changed since; "
                "--rerun-stale runs them again, --keep-stale keeps them"
            )
        again = {i: folder.result(i) for i in stale} if self.is_stale_rerun else {}
        missing = [t for t in trials if folder.result(t.id) is None or t.id in again]

        def reconcile() -> None:
            for place, its in ((whole, study), (folder, part)):
                place.reconcile(its, is_extended=self.is_extended, is_added=self.is_added)

        if not missing:
            reconcile()
            return False
        if part is study:  # a tuning differs in the rate, and is to
            for line in planning.inequalities(part):
                say(line, style="yellow")
        running.run(
            part,
            folder,
            trials,
            missing,
            again,
            reconcile=reconcile,
            where=self.where,
            is_foreground=self.is_foreground,
            is_online=self.is_online,
        )
        return True


def _arm_of(trial: Trial) -> str:
    return base(trial.arm.label, trial.recipe.learning_rate)
