"""The ladder: every recurrence at its default options, four tasks, lags that double.

The shortest lag of each task is the control. Adding asks for two numbers and holds them; temporal
order for the order of two symbols among distractors; the first symbol for one thing, held from the
very beginning; copy memory for a list, in order, after a gap. The references without recurrence
need their layers to be given, and are compared in the study `references`. Rate, steps and lags were
chosen on seed 100; half an hour to an hour on two idle cores.
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
        TaskAxis(task="adding/arjovsky", lags=[10, 20, 40, 80]),
        TaskAxis(task="temporal_order/pascanu", lags=[10, 20, 40, 80]),
        TaskAxis(task="first_symbol", lags=[10, 20, 40, 80]),
        TaskAxis(task="copy_memory/small", lags=[2, 4, 8, 16, 32], solved_at=0.95),
    ],
    seeds=10,
    # Each arm has a size within 3 % of it on each of the tasks.
    budget=Budget(parameters=3950),
    reference="rnn",
    recipe=Recipe(
        learning_rate=7e-3,
        clip=1.0,
        batch=32,
        steps=800,
        validation_every=50,
        validation_size=128,
        test_size=256,
    ),
    claims=[
        # A gated cell (Hochreiter & Schmidhuber 1997), and gates without one, hold two numbers.
        *(Claim(arm=arm, than="rnn", task="adding/arjovsky") for arm in ("lstm", "gru", "highway")),
        # Skips shorten the way back (He 2016, Huang 2017; through time Zhang 2016).
        *(Claim(arm=arm, than="rnn") for arm in ("residual", "densenet")),
        # Matrices that keep lengths recall lists that gates lose (Arjovsky 2016, Henaff 2016).
        Claim(arm="orthogonal", than="lstm", task="copy_memory/small"),
    ],
)
