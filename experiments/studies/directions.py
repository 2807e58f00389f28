"""What does a second direction buy? A task that needs what lies ahead, its twin, and one between.

`fill_blank/right` asks for a symbol before it is shown, `left` for one that was shown: a second
direction can only cost there. Adding is asked at the end, where half of the marks lie nearer to the
beginning. Equal parameters, so that two directions have fewer units each. Recipe and lags are
those of the quick study, made smaller.

Claimed, by definition: on `right` both directions solve and one never does, since who reads
forwards is at chance, 1/8.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

CELLS = ("lstm", "highway")

STUDY = Study(
    name="directions",
    question="What does it buy a recurrent network to read a sequence from both of its ends?",
    arms=[
        arm
        for cell in CELLS
        for arm in (
            Arm(label=cell, architecture=cell),
            Arm(label=f"{cell} both ways", architecture=cell, bidirectional=True),
        )
    ],
    tasks=[
        TaskAxis(task="fill_blank/right", lags=[2, 10]),
        TaskAxis(task="fill_blank/left", lags=[2, 10]),
        TaskAxis(task="adding/arjovsky", lags=[5, 25], solved_at=0.75),
    ],
    seeds=5,
    budget=Budget(parameters=3000),
    reference="lstm",
    recipe=Recipe(learning_rate=1e-2, steps=400, validation_size=128, test_size=512),
    claims=[Claim(arm=f"{cell} both ways", than=cell, task="fill_blank/right") for cell in CELLS],
)
