"""Regular languages and beyond as published: an LSTM solves the first, not the second. For a GPU.

256 units, Adam 5e-4, batches of 128, lengths of 1 to 40, 50,000 steps, ten seeds; scored by the
mean over the lengths 40, 100, ... 500. Claimed before any run, of the median over all seeds: at
least .9 on each regular task, at most .7 on reversing and duplicating.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis, Uniform

REGULAR = (
    "parity/deletang",
    "even_pairs/deletang",
    "cycle_navigation/deletang",
    "modular_arithmetic/paper",
)
BEYOND = ("reverse_string/deletang", "duplicate_string/deletang")

STUDY = Study(
    name="repro_large_chomsky",
    question="Which languages does an LSTM learn for all lengths?",
    arms=[
        Arm(architecture="lstm", budget=Budget(state=512)),
        Arm(label="tanh", architecture="rnn", options={"start": "default"}),
    ],
    tasks=[
        TaskAxis(
            task=task,
            # An expression of numbers and signs in turn has an odd length.
            lags=[39 if "modular" in task else 40],
            test_lags=[99, 199, 299, 399, 499] if "modular" in task else range(100, 501, 100),
            curriculum=Uniform(start=3),
        )
        for task in (*REGULAR, *BEYOND)
    ],
    seeds=range(10, 20),
    budget=Budget(state=256),
    reference="tanh",
    recipe=Recipe(
        learning_rate=5e-4, batch=128, steps=50_000, validation_every=1000, stop="budget"
    ),
    claims=[
        *(
            Claim(arm="lstm", than=0.9, on="test/all/score", task=task, lag="each",
                  relation="at least")
            for task in REGULAR
        ),
        *(
            Claim(arm="lstm", than=0.7, on="test/all/score", task=task, lag="each",
                  relation="at most")
            for task in BEYOND
        ),
    ],
    reproduces=Reproduces(
        finding="LSTMs solve regular languages at all lengths, not context-free ones",
        says=(
            "100 on parity and modular arithmetic, 60.9 on reversing: the best of 30 trials, over "
            "lengths of 41 to 500."
        ),
        source="Delétang et al. 2022, arXiv:2207.02098, as reprinted elsewhere",
        tag="S",
        differs=(
            "50,000 steps for a million, the median of ten seeds at one rate for the best of 30, "
            "and six lengths for all."
        ),
        kind="large",
        like="repro_parity_extrapolation",
        needs="about 190 core hours, as longdep plan reckons them; 2.5e16 operations.",
    ),
)  # fmt: skip
