"""What does recurrence buy, beside attention and convolution? Equal parameters.

The references are stacks of blocks: two of a Transformer, four of a temporal convolutional network
with dilations 1, 2, 4, 8, which see 61 steps. The recurrences are highway connections through time,
the quick study's best, and the LSTM. Recipe and lags are near those of the quick study.

Claimed, as published: convolutions add over a span that they see, where an LSTM has to hold (Bai
2018, arXiv:1803.01271), and attention repeats a list that it has before its eyes (Vaswani 2017,
arXiv:1706.03762).
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

STUDY = Study(
    name="references",
    question="At equal parameters, what does recurrence buy beside attention and convolution?",
    arms=[
        Arm(architecture="highway"),
        Arm(architecture="lstm"),
        Arm(architecture="transformer", layers=2),
        Arm(architecture="tcn", layers=4, options={"dilation": (1, 2, 4, 8)}),
    ],
    tasks=[
        TaskAxis(task="adding/arjovsky", lags=[5, 30], solved_at=0.75),
        TaskAxis(task="first_symbol/eight", lags=[4, 30]),
        TaskAxis(task="copy_memory/small", lags=[2, 16], solved_at=0.95),
    ],
    seeds=5,
    budget=Budget(parameters=6680),
    reference="lstm",
    recipe=Recipe(learning_rate=5e-3, steps=400, validation_size=128, test_size=512),
    claims=[
        Claim(arm="tcn", than="lstm", task="adding/arjovsky", lag=30),
        Claim(arm="transformer", than="lstm", task="copy_memory/small", lag=16),
    ],
)
