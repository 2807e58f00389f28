"""The sanity study: at its shortest, can each task be learned at all? Under fifteen minutes.

A task that nothing learns at its smallest lag is broken, or beyond the recipe. So the bar here is
"clearly above chance", not the task's own, where that takes longer than the study has: chance is
.40 for arithmetic and .25 for recall, which is why theirs are low. Of a text the bar is above what
pairs of characters tell (.47). What stays below its bar in both arms stays at chance as far as this
study can tell, and its report says so. Bars and steps: from seed 100, which is not the study's.
"""

from experiments.study import Arm, Budget, Claim, Recipe, Study, TaskAxis

LAGS = {
    "adding/arjovsky": 2,
    "copy_memory/small": 1,
    "cycle_navigation/deletang": 1,
    "delayed_echo/symbols": 1,
    "denoise/goru": 1,
    "duplicate_string/deletang": 1,
    "dyck/k2m4": 4,
    "even_pairs/deletang": 2,
    "fill_blank/left": 1,
    "first_symbol/eight": 2,
    "induction/mamba": 3,
    "modular_arithmetic/code": 1,
    "multiplication/pascanu": 10,
    "parity/deletang": 1,
    "random_permutation/pascanu": 2,
    "reverse_string/deletang": 1,
    "s5/s3": 2,
    "temporal_order/pascanu": 10,
}
"""Tasks that one of the arms solves, at their smallest lags."""

BARS = {
    "arithmetic/small": (5, 0.5),
    "associative_recall/small": (16, 0.3),
    "character_lm/english": (20, 0.5),
    "list_ops/lra": (5, 0.5),
    "noiseless_memorization/five_bit": (1, 0.9),
    "permuted_digits/pixels": (1, 0.5),
    "selective_copy/small": (4, 0.9),
    "sequential_digits/rows": (1, 0.8),
}
"""The others: the lag, and a score clearly above chance."""

STUDY = Study(
    name="sanity",
    question="Is every task learned by some architecture, at the smallest lag it has?",
    arms=[Arm(architecture="gru"), Arm(architecture="orthogonal")],
    tasks=[
        *(TaskAxis(task=task, lags=[lag]) for task, lag in LAGS.items()),
        *(TaskAxis(task=task, lags=[lag], solved_at=bar) for task, (lag, bar) in BARS.items()),
    ],
    seeds=5,
    budget=Budget(parameters=5000),
    reference="gru",
    recipe=Recipe(learning_rate=1e-2, steps=1000),
    # Matrices that keep lengths recall lists that gates lose (Henaff 2016, arXiv:1602.06662).
    claims=[Claim(arm="orthogonal", than="gru", task="denoise/goru")],
)
