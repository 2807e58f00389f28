"""Highway transitions train at a depth where plain ones do not. Three minutes on two idle cores.

Adding at T = 30, 32 units, eight layers within each step; as piloted on seeds 0 to 2. Solved: a
loss of .01, a score of .94. Claimed before the run: highway solves more often than plain.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

STUDY = Study(
    name="repro_highway_depth",
    question="Do highway transitions train at a depth within the step where plain ones do not?",
    arms=[
        Arm(label=kind, architecture="rhn", options={"depth": 8, "transition": kind})
        for kind in ("plain", "highway")
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[30], solved_at=0.94)],
    seeds=range(10, 15),
    budget=Budget(state=32),
    reference="plain",
    recipe=Recipe(learning_rate=2e-3, batch=50, steps=1500, validation_every=50),
    claims=[Claim(arm="highway", than="plain")],
    reproduces=Reproduces(
        finding="Highway transitions train at a depth where plain ones do not",
        says=(
            "On PTB, validation perplexity falls from 92.4 at a depth of 1 to 71.2 at a depth of "
            "8 within the step."
        ),
        source="Zilly et al. 2017, arXiv:1607.03474, and the authors' repository",
        tag="R",
        differs=(
            "Adding at T = 30 with 32 units for PTB, beside plain transitions of the same depth: "
            "minutes for days."
        ),
    ),
)
