"""Under tanh even an orthogonal matrix lets the gradient vanish. Nothing is trained: seconds.

The largest Lyapunov exponent of tanh(s Q h + x), Q orthogonal, 32 units, small inputs. The bound is
ln s a step. Claimed before the run: no exponent exceeds its bound, and at s = 1 it is below 0 all
the same (the norm over 60 steps below .3 is an exponent below ln(.3) / 60).
"""

import math

from experiments.study import Arm, Budget, Claim, Probing, Recipe, Reproduces, Study, TaskAxis

EXPONENT = "probe/jacobian_spectrum/largest"
SCALES = (0.9, 1.0, 1.1)

STUDY = Study(
    name="repro_orthogonal_tanh",
    question="How fast does a difference in the state shrink, where the matrix is orthogonal?",
    arms=[
        Arm(
            label=f"s = {s}",
            architecture="rnn",
            options={"start": "orthogonal", "spectral_radius": s, "input_scale": 0.1},
        )
        for s in SCALES
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[60])],
    seeds=range(10, 20),
    budget=Budget(state=32),
    reference="s = 1.0",
    recipe=Recipe(steps=0),
    probes=[Probing(probe="jacobian_spectrum", at=("start",))],
    claims=[
        *(
            Claim(arm=f"s = {s}", than=math.log(s), on=EXPONENT, lag=60, relation="at most")
            for s in SCALES
        ),
        Claim(arm="s = 1.0", than=math.log(0.3) / 60, on=EXPONENT, lag=60, relation="less"),
    ],
    reproduces=Reproduces(
        finding="tanh makes even an orthogonal recurrence forget",
        says=(
            "The largest singular value of the matrix, times the largest slope of the activation, "
            "bounds how a gradient grows; below 1 it must vanish. With tanh the slope is below 1 "
            "wherever the unit is not at 0."
        ),
        source="Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 2.1",
        tag="R",
        differs=(
            "Exponents over 300 steps in place of the norm over 60; inputs uniform in [-1, 1], "
            "weights a tenth of torch's."
        ),
    ),
)
