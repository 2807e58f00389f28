"""longdep in Python and in notebooks: a study's frames, and figures as functions of them.

Needs no torch. A figure is a matplotlib Figure, and a notebook shows it by itself.

>>> import longdep
>>> runs, history = longdep.load("runs/quick")
>>> rates = longdep.solve_rates(runs)
>>> figure = longdep.figures.solve_rate_by_lag(rates)
>>> figure = longdep.figures.learning_curves(runs, history)
>>> figure.savefig("learning_curves.pdf")

`runs` has a row per finished trial, `history` one per trial and evaluation; `analysis.sources`
lists their columns. `longdep.probes` gives what the probes of a study measured, `longdep.figures`
holds every figure of a report.
"""

from analysis import figures, load, probes
from analysis.estimate import score_medians, solve_rates
from analysis.survival import curves as survival_curves
from analysis.survival import steps_to_solve

__all__ = [
    "figures",
    "load",
    "probes",
    "score_medians",
    "solve_rates",
    "steps_to_solve",
    "survival_curves",
]
