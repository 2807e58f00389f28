"""Chrono initialisation speeds up long adding. Ten minutes on two idle cores.

Adding at T = 200, 64 units, Adam 3e-3, clip 1, batches of 50, at most 4,000 steps, as piloted on
two seeds. Solved: a loss of .02, a score of .88. Claimed before the run: the LSTM with a forget
bias of 1 takes more steps.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

STUDY = Study(
    name="repro_chrono",
    question="Does an LSTM learn a long gap sooner when its gates start with time constants of it?",
    arms=[
        Arm(label="bias 1", architecture="lstm", options={"forget_bias": 1.0}),
        Arm(label="chrono", architecture="lstm", options={"t_max": 200}),
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[200], solved_at=0.88)],
    seeds=range(10, 16),
    budget=Budget(state=128),
    reference="bias 1",
    recipe=Recipe(
        learning_rate=3e-3, batch=50, steps=4000, validation_every=100, validation_size=128
    ),
    claims=[Claim(arm="chrono", than="bias 1", on="steps_to_solve", relation="less")],
    reproduces=Reproduces(
        finding="Chrono initialisation speeds up long adding",
        says="Adding is learned 7 times faster at T = 750, and faster for all T.",
        source="Tallec & Ollivier 2018, arXiv:1804.11188, section 4",
        tag="R",
        differs="T = 200 with 64 units, Adam with clipping for RMSprop without: less is expected.",
    ),
)
