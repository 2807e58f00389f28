"""Numbers in words between languages that order them differently. Ten minutes on two cores.

German has the ones before the tens, Korean counts in ten thousands. Told as in `bottleneck`: by one
vector (Sutskever 2014, arXiv:1409.3215), read from its end, in both directions, with attention
(Bahdanau 2014, arXiv:1409.0473), by a Transformer (Vaswani 2017, arXiv:1706.03762). Trained on
lists of 1 to 16 words, tested on 4 to 32. Lengths and steps: from seed 100.

Claimed is the share of words right in their places, on new lists of 16 words, each reply said
without being told the target.
"""

from experiments.study import Arm, Budget, Claim, Decoder, Recipe, Study, TaskAxis, Uniform

STUDY = Study(
    name="number_words",
    question=(
        "Where two languages order their words differently, does a second look at the source help "
        "more than another way of reading it?"
    ),
    arms=[
        Arm(label="one vector", architecture="gru", decoder=Decoder()),
        Arm(label="reversed source", architecture="gru", decoder=Decoder(source="reversed")),
        Arm(label="both directions", architecture="gru", bidirectional=True, decoder=Decoder()),
        Arm(
            label="attention",
            architecture="gru",
            bidirectional=True,
            decoder=Decoder(attention="additive"),
        ),
        Arm(
            label="Transformer",
            architecture="transformer",
            options={"positions": "sinusoidal", "causal": False},
            decoder=Decoder(attention="cross"),
        ),
    ],
    tasks=[
        TaskAxis(
            task=f"number_words/lists{languages}",
            lags=[16],
            test_lags=[4, 8, 12, 20, 24, 32],
            curriculum=Uniform(start=1),
        )
        for languages in ("", "(source=korean)")
    ],
    seeds=5,
    budget=Budget(parameters=30_000),
    reference="one vector",
    recipe=Recipe(
        learning_rate=3e-3,
        batch=32,
        steps=1200,
        validation_every=200,
        validation_size=128,
        test_size=256,
        stop="budget",
    ),
    claims=[
        Claim(arm=arm, than="one vector", on="test/score", lag="each")
        for arm in ("reversed source", "attention", "Transformer")
    ],
)
