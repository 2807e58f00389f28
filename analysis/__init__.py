"""What is concluded: logs to frames, frames to statistics, figures and reports. Knows no torch."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(study_dir: "str | os.PathLike[str]") -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Read a study's folder into two tidy frames: (runs, history).

    `runs` has a row per finished trial, `history` one per trial and evaluation; their columns stand
    in `analysis.sources`. Where trials are tested at other lags than their own, `runs` has columns
    `test/<lag>/loss` and `test/<lag>/score` besides, and their mean with its own, `test/all/...`.
    Trials that are in neither are warned of.

    Example: runs, history = analysis.load("runs/quick")
    """
    import warnings

    from analysis import sources

    frames = sources.load(study_dir)
    if absent := frames.ledger.open:
        states = ", ".join(f"{n} {s}" for s, n in frames.ledger.states.items() if n and s != "done")
        warnings.warn(
            f"{len(absent)} of {frames.ledger.planned} planned trials are not in the frames: "
            f"{states}",
            stacklevel=2,
        )
    return frames.runs_with_tests, frames.history


def probes(study_dir: "str | os.PathLike[str]") -> "pd.DataFrame":
    """Read what the probes of a study measured, in its logs and later, into one tidy frame.

    It has a row per number; its columns stand in `analysis.probe_frames`. Files that cannot be read
    are warned of.

    Example: probes = analysis.probes("runs/mechanism")
    """
    import warnings

    from analysis import sources

    frames = sources.load(study_dir)
    for problem in frames.probe_problems:
        warnings.warn(problem, stacklevel=2)
    return frames.probes


def load_logs(
    folder: "str | os.PathLike[str]", *, arm: str, score: str, **parts: "str | float | bool | None"
) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Read logs that longdep did not write into the two frames of `load`.

    `arm`, `score` and the further parts (seed, task, lag, step, is_lower_better, solved_at, chance)
    name the keys that play them: `analysis.mapping.Mapping`. Runs without a result are in neither.

    Example: runs, history = analysis.load_logs("wandb", arm="config.model.name", score="val_acc")
    """
    from typing import Any

    from analysis import folder_source, foreign, log_cache, logs, mapping

    given: Any = parts
    named = mapping.Mapping(arm=arm, score=score, **given)
    found = logs.join(
        str(folder), folder_source.read(folder, log_cache.default_folder()), named.step
    )
    frames = foreign.frames(found, named)
    return frames.runs, frames.history
