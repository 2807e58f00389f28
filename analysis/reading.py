"""How to read a report: each measure in three sentences, with its source."""

from typing import NamedTuple

import pandas as pd

from analysis.section import Evidence, Section
from analysis.tables import Table


class Told(NamedTuple):
    """What a measure says, in three sentences or so, and where it comes from."""

    text: str
    source: str


MEASURES = {
    "solve rate": Told(
        "The share of seeds that reach the task's threshold on validation data and keep it. Its "
        "95% interval holds the rate that very many seeds would show in 19 of 20 studies. A "
        "trial that diverged, ran out of time or out of memory did not solve.",
        "Wilson 1927",
    ),
    "difference of solve rates": Told(
        "How many more of an arm's seeds solve, in one group or on average over several. In one "
        "group the test is Barnard's, over several the labels of the two arms are exchanged "
        "within each. All claims of a study are one family: the chance of one false verdict "
        "among them is at most 5%.",
        "Barnard 1947; Newcombe 1998; Holm 1979",
    ),
    "steps to solve": Told(
        "The curve is the share of seeds that have not solved yet; its median is where it "
        "passes one half. A trial that did not solve counts as longer than its whole budget, "
        "also where it diverged early. A step is known up to the interval between validations, "
        "so every time is at most that much too long.",
        "Kaplan and Meier 1958",
    ),
    "restricted mean steps": Told(
        "The mean number of steps until a seed has solved, where one that does not counts with "
        "the budget: the area under the curve above. It exists where a median does not, and "
        "differences of it are tested by exchanging labels. Times FLOPs or seconds of a step it "
        "is the cost to solve.",
        "Royston and Parmar 2013",
    ),
    "median score": Told(
        "Half of the seeds score above it. Its interval lies between two of the seeds' own "
        "scores and assumes no distribution; below 6 seeds there is none. A failed trial ranks "
        "last.",
        "order statistics, by the binomial",
    ),
    "interquartile mean": Told(
        "The mean of the middle half of all scores: steadier than a median, and one lucky seed "
        "does not move it. Its interval is a bootstrap that draws seeds within each task and "
        "lag, widened for few seeds. Below 10 seeds it would hold less than it says and is not "
        "given.",
        "Agarwal 2021; Hesterberg 2015",
    ),
    "probability of being above": Told(
        "The chance that a trial of one arm scores above one of the other, a tie counted half. "
        "One half means that neither is better; it does not say by how much. A failed trial is "
        "below all others. Cliff's delta is the same from -1 to 1.",
        "Mann and Whitney 1947; Newcombe 2006; Lachin 1999",
    ),
    "area under the learning curve": Told(
        "The mean validation score over the whole budget of steps: it rewards learning early. A "
        "trial that stopped keeps its last score, one that diverged is worth chance from there "
        "on. It stands in the CSV file of the groups.",
        "by the trapezoid rule",
    ),
    "performance profile": Told(
        "For every score, the share of trials above it. It shows what a mean hides: whether an "
        "arm is a little better always, or much better sometimes. Scores are from 0, chance, to "
        "1.",
        "Dolan and More 2002; Agarwal 2021",
    ),
    "memory horizon": Told(
        "The lag at which half of the seeds solve. Its interval grows with the distance between "
        "the lags that were tried. Outside of these it is a bound: beyond, or below, is all "
        "that is known.",
        "logistic fit; likelihood ratio",
    ),
    "effect of an option": Told(
        "What a value of an option adds to the solve rate. Over a full grid it is averaged over "
        "all other options, and an interaction says how much more two add together than each "
        "alone. The intervals are of single effects.",
        "Zou and Donner 2008",
    ),
    "too few seeds to tell": Told(
        "The test did not show a difference; that does not show that there is none. Beside it "
        "stands about how many seeds would show a difference as large as the one seen. What "
        "this many seeds could have shown stands under the study's power.",
        "Cohen 1988",
    ),
}

LEAD = (
    "Only the claims are tested; everything else describes, each with an interval for itself. That "
    "the tests err no more often, and the intervals hold no less often, than they say was found by "
    "simulation, on normal scores and on seeds that either solve or are stuck, with 5, 10 and 20 "
    "seeds; where a method did, it is not used with so few. Counts are coarse: with 5 seeds the "
    "tests of solve rates err in 2% instead of 5%, and most intervals are wider than they need be, "
    "so that a difference is rather missed than invented."
)

NEEDS = {"memory horizon": "horizon", "effect of an option": "ablation"}
"""Measures that are told only where the report has the section."""


def compose(evidence: Evidence) -> Section | None:
    """Explain the measures; None where the report has no group to measure."""
    if evidence.rates.empty:
        return None
    from analysis import ablation_section, horizon_section

    present = {
        "horizon": horizon_section.has_any(evidence),
        "ablation": ablation_section.has_any(evidence),
    }
    told = {name: each for name, each in MEASURES.items() if present.get(NEEDS.get(name, ""), True)}
    cells = pd.DataFrame(
        {
            "measure": list(told),
            "what it says": [each.text for each in told.values()],
            "source": [each.source for each in told.values()],
        }
    )
    return Section(
        name="reading",
        title="How to read this",
        lead=[LEAD],
        tables=[Table("reading", "The measures", cells, is_fixed=True)],
        place="method",
    )
