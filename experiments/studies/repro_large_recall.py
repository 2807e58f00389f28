"""Recall of many pairs as published: attention at any width, recurrences by their state. For a GPU.

Pairs from 8192 symbols, 4 in 64 steps and 8 in 128; AdamW 1e-3, batches of 256, 12,500 steps; a
Transformer of two layers and width 64, GRUs of 64, 128 and 256 units, an LSTM of 64. Claimed before
any run, at 128 steps: attention scores at least .3 more than a GRU of 64, and a GRU more at 256
units than at 64.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

TASK = "associative_recall/zoology"
PLACE = {"on": "test/score", "task": TASK, "lag": 128}

STUDY = Study(
    name="repro_large_recall",
    question="How many pairs does a state of some size hold, and attention?",
    arms=[
        Arm(label="attention", architecture="transformer", layers=2, options={"heads": 1}),
        *(
            Arm(label=f"gru {units}", architecture="gru", budget=Budget(state=units))
            for units in (64, 128, 256)
        ),
        Arm(label="lstm 64", architecture="lstm", budget=Budget(state=128)),
    ],
    tasks=[TaskAxis(task=TASK, lags=[64, 128])],
    seeds=range(10, 15),
    budget=Budget(parameters=1_157_000),
    reference="gru 64",
    recipe=Recipe(
        optimizer="adamw",
        learning_rate=1e-3,
        batch=256,
        steps=12_500,
        validation_every=500,
        validation_size=512,
        stop="budget",
    ),
    claims=[
        Claim(arm="attention", than="gru 64", relation="at least", amount=0.3, **PLACE),
        Claim(arm="gru 256", than="gru 64", **PLACE),
    ],
    reproduces=Reproduces(
        finding="Recall needs state: attention at any width, recurrences the more the larger",
        says=(
            "Attention recalls at every width; the accuracy of networks with a state of fixed size "
            "rises with the width and falls with the number of pairs."
        ),
        source="Arora et al. 2023 (Zoology), arXiv:2312.04927, figure 2",
        tag="R",
        differs="One rate for the best of four, fresh examples for 100,000; the MLP is kept.",
        kind="large",
        like="repro_recall",
        needs="about 4,000 core hours, as longdep plan reckons them; 3.5e17 operations.",
    ),
)
