"""How much the start decides: of the recurrent matrix, of the forget gate. Under fifteen minutes.

Claimed, as published: the identity helps ReLU to add (Le 2015, arXiv:1504.00941), an orthogonal
matrix to recall (Henaff 2016, arXiv:1602.06662), a forget bias of 1 the LSTM (Jozefowicz 2015, PMLR
37), chrono more (Tallec 2018, arXiv:1804.11188; T_max per task). Lags: from seeds 1000, 1001.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

RELU = {"activation": "relu"}

STUDY = Study(
    name="initialisation",
    question="How much of what a recurrent network learns to remember is decided by its start?",
    arms=[
        Arm(label="tanh default", architecture="rnn", options={"start": "default"}),
        Arm(label="tanh orthogonal", architecture="rnn", options={"start": "orthogonal"}),
        Arm(label="relu default", architecture="rnn", options=RELU | {"start": "default"}),
        Arm(label="relu identity", architecture="rnn", options=RELU | {"start": "identity"}),
        Arm(label="lstm b=0", architecture="lstm", options={"forget_bias": 0.0}),
        Arm(label="lstm b=1", architecture="lstm", options={"forget_bias": 1.0}),
        Arm(label="lstm b=3", architecture="lstm", options={"forget_bias": 3.0}),
        Arm(label="lstm chrono", architecture="lstm", options={"t_max": 60}),
    ],
    tasks=[
        TaskAxis(task="temporal_order/pascanu", lags=[10, 50]),
        TaskAxis(task="adding/arjovsky", lags=[5, 60]),
        TaskAxis(task="copy_memory/small", lags=[3, 18], solved_at=0.95),
    ],
    seeds=8,
    budget=Budget(parameters=5000),
    reference="tanh default",
    recipe=Recipe(learning_rate=1e-2, steps=1000),
    claims=[
        Claim(arm="relu identity", than="relu default", task="adding/arjovsky"),
        Claim(arm="tanh orthogonal", than="tanh default", task="copy_memory/small"),
        Claim(arm="lstm b=1", than="lstm b=0"),
        Claim(arm="lstm chrono", than="lstm b=1"),
    ],
)
