"""The quick study: five ways to carry a signal, four tasks, three minutes on two cores.

Every task has a short lag that all arms should solve, so that a failure at the long lag is the
lag's doing and not the recipe's. Learning rate, lags and thresholds were chosen on seeds 10 to 17,
none of which is among the study's.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

LONG = {"temporal_order/pascanu": 50, "adding/arjovsky": 25, "sequential_digits/rows": 30}

STUDY = Study(
    name="quick",
    question=(
        "At equal parameters, which way of carrying the state lets a recurrent network use an "
        "input from far back: rewriting it, gating it, or skipping?"
    ),
    arms=[
        Arm(architecture="rnn", options={"activation": "tanh", "start": "orthogonal"}),
        Arm(architecture="lstm", options={"forget_bias": 1.0}),
        Arm(architecture="residual", options={"skip": "weighted", "a": -2.0, "b": 3.0}),
        Arm(architecture="densenet", options={"last": 4}),
        Arm(architecture="highway", options={"gate_bias": -3.0}),
    ],
    tasks=[
        TaskAxis(task="temporal_order/pascanu", lags=[10, 50]),
        TaskAxis(task="adding/arjovsky", lags=[5, 25]),
        TaskAxis(task="sequential_digits/rows", lags=[1, 30], solved_at=0.8),
        TaskAxis(task="copy_memory/small", lags=[2, 16], solved_at=0.95),
    ],
    seeds=5,
    budget=Budget(parameters=5000),
    reference="rnn",
    recipe=Recipe(learning_rate=7e-3, clip=1.0, batch=32, steps=700, validation_every=25),
    claims=[
        *(Claim(arm="highway", than="rnn", task=task, lag=lag) for task, lag in LONG.items()),
        Claim(arm="lstm", than="rnn", task="adding/arjovsky", lag=25),
        Claim(arm="rnn", than="highway", task="copy_memory/small", lag=16),
    ],
)
