"""The forget bias sets how fast memory decays. Nothing is trained: seconds.

Gradient of the last loss by lag, at the start, 64 units, 200 steps; its slope is about ln f of the
forget gate. Claimed before the run: tanh decays faster than an LSTM with forget bias 0, that faster
than one with 1, that faster than chrono's, whose slope is within .02 of none.
"""

from experiments.study import Arm, Budget, Claim, Probing, Recipe, Reproduces, Study, TaskAxis

SLOPE = "probe/gradient_reach/slope"
CELL = Budget(state=128)

STUDY = Study(
    name="repro_forget_bias",
    question="How fast does the memory of an untrained LSTM decay, by its forget bias?",
    arms=[
        Arm(label="tanh", architecture="rnn", options={"start": "default"}),
        Arm(label="bias 0", architecture="lstm", options={"forget_bias": 0.0}, budget=CELL),
        Arm(label="bias 1", architecture="lstm", options={"forget_bias": 1.0}, budget=CELL),
        Arm(label="chrono", architecture="lstm", options={"t_max": 200}, budget=CELL),
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[200])],
    seeds=range(10, 20),
    budget=Budget(state=64),
    reference="tanh",
    recipe=Recipe(steps=0),
    probes=[Probing(probe="gradient_reach", at=("start",))],
    claims=[
        Claim(arm="bias 0", than="tanh", on=SLOPE),
        Claim(arm="bias 1", than="bias 0", on=SLOPE),
        Claim(arm="chrono", than="bias 1", on=SLOPE),
        Claim(arm="chrono", than=0.0, on=SLOPE, lag=200, relation="at least", amount=-0.02),
    ],
    reproduces=Reproduces(
        finding="The forget bias sets how fast memory decays",
        says=(
            "A cell keeps a share f of itself at each step, so that a forget gate near 1/2 forgets "
            "within a few steps; biases of log U(1, T - 1) keep time constants up to T."
        ),
        source="Tallec & Ollivier 2018, arXiv:1804.11188, sections 2 and 3; Gers 2000",
        tag="R",
        differs=(
            "Measured as the slope of the gradient of adding's last loss, at lag 200 with 64 "
            "units, not by the score after training."
        ),
    ),
)
