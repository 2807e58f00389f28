"""How deep may a stack be, and what has to join its layers? 25 minutes on two idle cores.

Tanh layers, which are known to fail when they are many; equal parameters, so that layers are
narrower the more there are: at 12 layers 24 units in a plain stack. Solved is a score of .75, above
the half that one remembered mark is worth. Recipe and bar: from seed 100, which is not the study's;
there 12 plain layers stayed at chance for 1500 steps, in which residual layers came to a score of
.65, dense ones to .77 and highway layers to .93.

Claimed, as published: twelve plain layers are worse than one; residual (He 2015, arXiv:1512.03385)
and highway connections (Srivastava 2015, arXiv:1505.00387) let twelve layers train.
"""

from experiments.study import Arm, Budget, Claim, Probing, Recipe, Study, TaskAxis

DEEP = (2, 4, 8, 12)

STUDY = Study(
    name="depth",
    question="How deep may a recurrent stack be, and what has to join its layers?",
    arms=[
        Arm(label="1 layer", architecture="rnn"),
        *(
            Arm(label=f"{wiring} {n}", architecture="rnn", layers=n, wiring=wiring)
            for wiring in ("plain", "residual", "highway", "dense")
            for n in DEEP
        ),
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[40], solved_at=0.75)],
    seeds=5,
    budget=Budget(parameters=13920),
    reference="1 layer",
    recipe=Recipe(
        learning_rate=2e-3, steps=2000, validation_every=50, validation_size=128, test_size=512
    ),
    probes=[Probing(probe="gradient_reach", at=("start",))],
    claims=[
        Claim(arm="1 layer", than="plain 12", task="adding/arjovsky", lag=40),
        *(
            Claim(arm=f"{wiring} 12", than="plain 12", task="adding/arjovsky", lag=40)
            for wiring in ("residual", "highway", "dense")
        ),
    ],
)
