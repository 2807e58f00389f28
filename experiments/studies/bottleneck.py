"""What a source of many symbols loses in one vector, and what removes it. Ten minutes on two cores.

A string is said again by a decoder that has the encoder's last state and nothing else (Sutskever
2014, arXiv:1409.3215; Cho 2014, arXiv:1409.1259), or attention (Bahdanau 2014, arXiv:1409.0473;
Luong 2015, arXiv:1508.04025), or is a Transformer (Vaswani 2017, arXiv:1706.03762). Trained on
lengths of 1 to 20, tested on 2 to 40. `larger vector` alone has another budget, for twice the
units. Lengths, steps and bar: from seed 100.

Claimed is the score on new strings of 20 symbols, each reply said without being told the target.
"""

from experiments.study import Arm, Budget, Claim, Decoder, Recipe, Study, TaskAxis, Uniform

ATTENTION = ("additive", "multiplicative")
LOOKING = tuple(f"{kind} attention" for kind in ATTENTION)

STUDY = Study(
    name="bottleneck",
    question=(
        "How much of a source gets through one vector, and what helps: a larger one, another way "
        "of reading, or a second look?"
    ),
    arms=[
        Arm(label="one vector", architecture="gru", decoder=Decoder()),
        Arm(label="reversed source", architecture="gru", decoder=Decoder(source="reversed")),
        Arm(label="both directions", architecture="gru", bidirectional=True, decoder=Decoder()),
        Arm(
            label="larger vector",
            architecture="gru",
            decoder=Decoder(),
            budget=Budget(parameters=112_000),
        ),
        *(
            Arm(label=f"{kind} attention", architecture="gru", decoder=Decoder(attention=kind))
            for kind in ATTENTION
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
            task="copy_translation/digits",
            lags=[20],
            solved_at=0.95,
            test_lags=[2, 5, 10, 15, 25, 30, 40],
            curriculum=Uniform(start=1),
        )
    ],
    seeds=5,
    budget=Budget(parameters=30_000),
    reference="one vector",
    recipe=Recipe(
        learning_rate=3e-3,
        batch=32,
        steps=2500,
        validation_every=250,
        validation_size=128,
        test_size=256,
        stop="budget",
    ),
    claims=[
        Claim(arm=label, than="one vector", on="test/score")
        for label in ("reversed source", "larger vector", *LOOKING, "Transformer")
    ],
)
