"""Which part of the LSTM matters: each removed alone, at equal parameters. Under fifteen minutes.

Claimed, as published: without the forget gate or the output activation it was worst in Greff 2017
(arXiv:1503.04069), without the forget gate and then the input gate in Jozefowicz 2015 (PMLR 37).
That coupled gates and peepholes change little, no claim can state. Lags: from seeds 1000 and 1001.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

GONE = ("forget_gate", "input_gate", "output_gate", "input_activation", "output_activation")

STUDY = Study(
    name="gates",
    question="Which part of the LSTM lets it remember: what is lost when one part is removed?",
    arms=[
        Arm(label="full", architecture="lstm"),
        *(
            Arm(
                label=f"no {part.replace('_', ' ')}", architecture="lstm", options={"without": part}
            )
            for part in GONE
        ),
        Arm(label="coupled gates", architecture="lstm", options={"coupled": True}),
        Arm(label="peepholes", architecture="lstm", options={"peepholes": True}),
    ],
    tasks=[
        TaskAxis(task="temporal_order/pascanu", lags=[10, 50]),
        TaskAxis(task="adding/arjovsky", lags=[5, 60]),
        TaskAxis(task="copy_memory/small", lags=[3, 18], solved_at=0.95),
    ],
    seeds=5,
    budget=Budget(parameters=5000),
    reference="full",
    recipe=Recipe(learning_rate=1e-2, steps=1000),
    claims=[
        Claim(arm="full", than="no forget gate"),
        Claim(arm="full", than="no input gate"),
        Claim(arm="full", than="no output activation"),
    ],
)
