"""Memory capacity is at most the number of units, and nonlinearity costs memory. Seconds.

Echo-state networks of 20 units, spectral radius .9, one real number as the input: linear with small
inputs, tanh with inputs of size 1 (torch's weights are within 1 / sqrt(20), hence the scales; run
by mistake at these, tanh kept 10.4 of 18.6). Nothing is trained but the probe's read-outs. Claimed
before the run: neither has more than 1.02 times 20, tanh has at most half of the linear one's.
"""

from typing import Any

from experiments.study import Arm, Budget, Claim, Probing, Recipe, Reproduces, Study, TaskAxis

CAPACITY = "probe/memory_capacity/capacity"
UNITS = 20
ECHO: dict[str, Any] = {"start": "scaled", "spectral_radius": 0.9}

STUDY = Study(
    name="repro_memory_capacity",
    question="How much of its input can be read out of an untrained state?",
    arms=[
        Arm(
            label="linear",
            architecture="rnn",
            options={**ECHO, "activation": "linear", "input_scale": 0.1 * UNITS**0.5},
        ),
        Arm(label="tanh", architecture="rnn", options={**ECHO, "input_scale": UNITS**0.5}),
    ],
    tasks=[TaskAxis(task="copy_memory/bai", lags=[40])],
    seeds=range(10, 20),
    budget=Budget(state=UNITS),
    reference="linear",
    recipe=Recipe(steps=0),
    probes=[Probing(probe="memory_capacity", at=("start",))],
    claims=[
        *(
            Claim(arm=arm, than=1.02 * UNITS, on=CAPACITY, lag=40, relation="at most")
            for arm in ("linear", "tanh")
        ),
        Claim(arm="tanh", than="linear", on=CAPACITY, relation="at most", amount=0.5,
              scale="ratio"),
    ],
    reproduces=Reproduces(
        finding="Memory capacity is at most the number of units, and nonlinearity costs memory",
        says=(
            "The capacity, the sum over lags of how well a linear read-out recovers the input, is "
            "at most the number of units N for independent inputs; linear networks reach N, "
            "nonlinear ones lie below."
        ),
        source="Jaeger 2001, GMD report 152, as restated in Dambre et al. 2012",
        tag="S",
        differs=(
            "Capacity by squared correlation on sequences that the read-out has not seen, what is "
            "found by chance taken off; spectral radius .9, lags up to 60."
        ),
    ),
)  # fmt: skip
