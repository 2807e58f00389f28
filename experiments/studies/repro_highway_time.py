"""A gate that carries the state learns to add, a bare sum does not. A minute on two idle cores.

Adding at T = 100, 64 units, Adam 2e-3, clip 1, batches of 50, at most 2,500 steps; as piloted on
two seeds. Solved: a loss of .01, a score of .94. Claimed before the run: highway solves more often.
No paper states it: what is asked again is a pilot of ours.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

STUDY = Study(
    name="repro_highway_time",
    question="Is it enough to add to the state, or does what is carried need a gate?",
    arms=[
        Arm(architecture="residual", options={"skip": "naive"}),
        Arm(architecture="highway", options={"gate_bias": -4.0}),
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[100], solved_at=0.94)],
    seeds=range(10, 15),
    budget=Budget(state=64),
    reference="residual",
    recipe=Recipe(
        learning_rate=2e-3, batch=50, steps=2500, validation_every=50, validation_size=128
    ),
    claims=[Claim(arm="highway", than="residual")],
    reproduces=Reproduces(
        finding="Through time a highway carries what a bare sum does not",
        says="No paper: in a pilot with one seed, a loss of .001 against .21.",
        source="our pilot, adding at T = 100, 64 units, Adam 2e-3",
        tag="P",
        differs="Five fresh seeds, at most 2,500 steps, and it stops when solved.",
        kind="spare",
    ),
)
