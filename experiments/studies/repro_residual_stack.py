"""A stack of twelve tanh layers trains with residual connections. Five minutes on two idle cores.

Adding at T = 40, 13,920 parameters (24 units a layer), Adam 2e-3, batches of 32, 2,000 steps; as
piloted on seeds 0 to 4 by the study `depth`. Claimed before the run: the test loss of residual is
less than that of plain. A mean guess has .167.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Reproduces, Study, TaskAxis

STUDY = Study(
    name="repro_residual_stack",
    question="Do twelve layers learn where each adds to what came in, and plain ones not?",
    arms=[
        Arm(label=wiring, architecture="rnn", layers=12, wiring=wiring)
        for wiring in ("plain", "residual")
    ],
    tasks=[TaskAxis(task="adding/arjovsky", lags=[40], solved_at=0.75)],
    seeds=range(10, 15),
    budget=Budget(parameters=13920),
    reference="plain",
    recipe=Recipe(
        learning_rate=2e-3,
        steps=2000,
        validation_every=100,
        validation_size=128,
        stop="budget",
    ),
    claims=[Claim(arm="residual", than="plain", on="test/loss", relation="less")],
    reproduces=Reproduces(
        finding="Deep stacks train with residual connections, plain ones do not",
        says=(
            "Plain stacks of LSTM layers work well up to 4 layers, barely with 6 and very poorly "
            "beyond 8, for which reason residual connections are added."
        ),
        source="Wu et al. 2016 (GNMT), arXiv:1609.08144, section 3.1",
        tag="R",
        differs=(
            "Twelve layers of tanh on adding: a plain stack of 8 gated layers does not fail on a "
            "task of this size (a pilot), so that there is nothing to rescue."
        ),
        kind="spare",
    ),
)
