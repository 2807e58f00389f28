"""From what a user names to a study and its folder."""

from pathlib import Path
from typing import get_args

from experiments import loading, reproducing
from experiments.folder import StudyFolder
from experiments.loading import StudyError
from experiments.study import Arm, Study


def declared(
    reference: str,
    out: Path | None,
    add: list[str] | None = None,
    allow: list[str] | None = None,
    seeds: int | None = None,
) -> tuple[Study, StudyFolder]:
    """Find a study and its folder; a folder is itself a reference, to the study recorded in it.

    `add` gives it arms, `seeds` another number of seeds.

    Raises
    ------
    StudyError
        When there is no such study, or an arm cannot be added to it.
    """
    path = Path(reference)
    if (path / "study.json").is_file():
        study = loading.load(str(path / "study.json"), allow=[*(allow or ()), *(add or ())])
        folder = StudyFolder(out or path)
    else:
        study = loading.load(reference, allow=[*(allow or ()), *(add or ())])
        folder = StudyFolder(out) if out else folder_of(study)
    for extra in add or ():
        study = _with_arm(study, extra)
    if seeds is not None:
        study = _with_seeds(study, seeds)
    return study, folder


def folder_of(study: Study) -> StudyFolder:
    """Give the folder in which a study is run, unless told otherwise."""
    return StudyFolder(Path("runs") / study.name)


def recorded(reference: str, out: Path | None) -> tuple[Study, StudyFolder]:
    """Find a study that has been run, as its folder records it.

    Raises
    ------
    StudyError
        When nothing has been run yet.
    """
    is_folder = (Path(reference) / "study.json").is_file()
    folder = StudyFolder(Path(reference)) if is_folder else declared(reference, out)[1]
    study = folder.recorded()
    if study is None:
        raise StudyError(f"{folder.path}: nothing has been run yet; longdep run {reference}")
    return study, folder


def runnable(
    reference: str, out: Path | None, allow: list[str] | None
) -> tuple[Study, StudyFolder]:
    """Find a study that has been run, to run some of it again.

    Raises
    ------
    StudyError
        As `recorded`, and when the folder names code from outside that neither `allow` nor the
        user's own study file does.
    """
    own, folder = declared(reference, out, allow=allow)
    study = folder.recorded()
    if study is None:
        raise StudyError(f"{folder.path}: nothing has been run yet; longdep run {reference}")
    allowed = {arm.architecture for arm in own.arms} | set(allow or ())
    for arm in study.arms:
        loading.refuse_outside(arm.architecture, str(folder.file), allowed)
    return study, folder


def each(reference: str) -> list[str]:
    """Give the studies that a name stands for: itself, or those of the collection."""
    if reference != reproducing.NAME:
        return [reference]
    return [name for name, study in board().items() if _kind(study) == "first"]


def board() -> dict[str, Study]:
    """Load the studies that ask for published findings, by name: those of the collection first.

    The others are run by their own names.
    """
    names = [name for name in loading.names() if name.startswith(reproducing.PREFIX)]
    studies = {name: loading.load(name) for name in names}
    order = get_args(reproducing.Kind)
    return dict(sorted(studies.items(), key=lambda each: order.index(_kind(each[1]))))


def _kind(study: Study) -> reproducing.Kind:
    return study.reproduces.kind if study.reproduces else "first"


def every(
    reference: str,
    out: Path | None,
    add: list[str] | None,
    allow: list[str] | None,
    seeds: int | None,
    only: list[str] | None = None,
) -> list[tuple[str, Study, StudyFolder]]:
    """Find the studies that a name stands for, each with its folder, before any is run.

    Raises
    ------
    StudyError
        As `declared`, and when what goes with one study is asked of a collection.
    """
    names = each(reference)
    if names == [reference]:
        return [(reference, *declared(reference, out, add, allow, seeds))]
    for option, value in (("--only", only), ("--add", add)):
        if value:
            raise StudyError(f"{option} goes with one study: {', '.join(names)}")
    return [(n, *declared(n, out and out / n, None, allow, seeds)) for n in names]


def _with_arm(study: Study, reference: str) -> Study:
    try:
        # Resolved, as the study's are: one and the same file may be named in several ways.
        is_there = Arm(architecture=reference).architecture in {a.architecture for a in study.arms}
        return study if is_there else study.with_arm(reference)
    except ValueError as error:
        raise StudyError(f"--add {reference}: {loading.one_line(error)}") from None


def _with_seeds(study: Study, seeds: int) -> Study:
    try:
        return Study(**{**dict(study), "seeds": seeds})
    except ValueError as error:
        raise StudyError(f"--seeds {seeds}: {loading.one_line(error)}") from None
