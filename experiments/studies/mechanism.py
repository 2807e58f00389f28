"""Why some remember and some forget: probes on networks before and after training. Ten minutes.

Of each task a short lag, which every arm should solve, and a long one, which some solve and some do
not. Recipe, lags and budget are those of the quick study, at a smaller size.
"""

from experiments.study import Arm, Budget, Claim, Probing, Recipe, Study, TaskAxis

STUDY = Study(
    name="mechanism",
    question=(
        "Does what a network is like before training, how far its gradient reaches, how long its "
        "units keep, how fast differences shrink, say whether it will solve the task?"
    ),
    arms=[
        Arm(architecture="rnn"),
        Arm(architecture="lstm"),
        Arm(architecture="gru"),
        Arm(architecture="residual", options={"a": -2.0}),
        Arm(architecture="densenet"),
        Arm(architecture="highway"),
    ],
    tasks=[
        TaskAxis(task="adding/arjovsky", lags=[5, 25]),
        TaskAxis(task="temporal_order/pascanu", lags=[10, 50]),
    ],
    seeds=5,
    budget=Budget(parameters=3000),
    reference="rnn",
    recipe=Recipe(learning_rate=7e-3, clip=1.0, batch=32, steps=600, validation_every=25),
    claims=[
        Claim(arm="highway", than="rnn", task="adding/arjovsky", lag=25),
        Claim(arm="highway", than="rnn", task="temporal_order/pascanu", lag=50),
        Claim(arm="lstm", than="rnn", task="adding/arjovsky", lag=25),
    ],
    probes=[
        Probing(probe="gradient_reach"),
        Probing(probe="gates"),
        Probing(probe="dead_units"),
        Probing(probe="jacobian_spectrum"),
        Probing(probe="skip_paths"),
        Probing(probe="memory_capacity"),
        Probing(probe="occlusion", at=("end",)),
        Probing(probe="write_erase", at=("end",)),
    ],
)
