"""Adding at T = 600 as published: GRU and convolutions learn it, LSTM and tanh do not. For a GPU.

The dialect of the paper, about 70,000 parameters, Adam 2e-3, clip 5, batches of 32, 7,000 steps.
Claimed before any run: GRU and TCN end at a tenth of the loss of LSTM and tanh, or less. Chrono is
run beside: where it solves, the LSTM's row was one of its start.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

SOLVING, OTHERS = ("gru", "tcn"), ("lstm", "tanh")

STUDY = Study(
    name="repro_large_adding",
    question="Who adds over six hundred steps, at the size that was published?",
    arms=[
        Arm(label="tanh", architecture="rnn", options={"start": "default"}),
        Arm(architecture="lstm"),
        Arm(label="chrono", architecture="lstm", options={"t_max": 600}),
        Arm(architecture="gru"),
        Arm(
            architecture="tcn",
            layers=8,
            options={"kernel": 8, "dilation": (1, 2, 4, 8, 16, 32, 64, 128)},
        ),
    ],
    tasks=[TaskAxis(task="adding/bai", lags=[600])],
    seeds=range(10, 15),
    budget=Budget(parameters=70_000),
    reference="tanh",
    recipe=Recipe(learning_rate=2e-3, clip=5.0, steps=7000, validation_every=250, stop="budget"),
    claims=[
        Claim(arm=arm, than=than, on="test/loss", relation="at most", amount=0.1, scale="ratio")
        for arm in SOLVING
        for than in OTHERS
    ],
    reproduces=Reproduces(
        finding="At T = 600 GRU and TCN learn adding, LSTM and tanh do not",
        says="Losses of 5.3e-5 (GRU), 5.8e-5 (TCN), .164 (LSTM) and .177 (RNN).",
        source="Bai, Kolter & Koltun 2018, arXiv:1803.01271, table 1",
        tag="R",
        differs="One optimizer for all arms, where theirs were searched for each recurrence.",
        kind="large",
        like="repro_gates_adding",
        needs="about 14 core hours, as longdep plan reckons them; 1.4e15 operations.",
    ),
)
