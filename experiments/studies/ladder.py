"""The ladder: every recurrence at its default options, at lags that double. A day on two cores.

The shortest lag of each task is the control that every sensible arm should solve. Adding asks for
two numbers and holds them; temporal order asks for the order of two symbols among distractors; copy
memory asks for a list, in order, long after it was shown. The references without recurrence need
their layers to be given, and are compared in the study `references`.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis
from lightning_modules import registry

WITHOUT_RECURRENCE = ("tcn", "transformer")

STUDY = Study(
    name="ladder",
    question=(
        "How far back can a recurrent network carry a signal, and what carries it: rewriting the "
        "state, gating it, skipping over steps, or a transition that keeps lengths?"
    ),
    arms=[
        Arm(architecture=name)
        for name in registry.names("architecture")
        if name not in WITHOUT_RECURRENCE
    ],
    tasks=[
        TaskAxis(task="adding/arjovsky", lags=[10, 20, 40, 80, 160]),
        TaskAxis(task="temporal_order/pascanu", lags=[10, 20, 40, 80, 160]),
        TaskAxis(task="copy_memory/small", lags=[3, 6, 12, 24, 48], solved_at=0.95),
    ],
    seeds=10,
    budget=Budget(parameters=5000),
    reference="rnn",
    recipe=Recipe(learning_rate=1e-2, clip=1.0, batch=32, steps=2000, validation_every=25),
    claims=[
        # A gated cell (Hochreiter & Schmidhuber 1997), and gates without one, hold two numbers.
        *(Claim(arm=arm, than="rnn", task="adding/arjovsky") for arm in ("lstm", "gru", "highway")),
        # Skips shorten the way back (He 2016, Huang 2017; through time Zhang 2016).
        *(Claim(arm=arm, than="rnn") for arm in ("residual", "densenet")),
        # Matrices that keep lengths recall lists that gates lose (Arjovsky 2016, Henaff 2016).
        Claim(arm="orthogonal", than="lstm", task="copy_memory/small"),
    ],
)
