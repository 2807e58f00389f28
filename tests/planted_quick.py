"""A planted study like the real quick one: five arms, four tasks, an order that reverses."""

from collections.abc import Mapping
from typing import Any

from planting import Fate, Fates, hash_of

SOLVED = {
    ("temporal_order/pascanu", 60): {
        "rnn": 0,
        "lstm": 4,
        "residual": 5,
        "densenet": 0,
        "highway": 5,
    },
    ("adding/arjovsky", 30): {"rnn": 0, "lstm": 5, "residual": 0, "densenet": 0, "highway": 5},
    ("sequential_digits/rows", 20): {
        "rnn": 0,
        "lstm": 3,
        "residual": 0,
        "densenet": 2,
        "highway": 5,
    },
    ("copy_memory/small", 20): {"rnn": 5, "lstm": 3, "residual": 0, "densenet": 5, "highway": 0},
}
"""How many of 5 seeds solve the long lag; all solve the short one."""

QUICK: dict[str, Any] = {
    "name": "quick",
    "question": (
        "At equal parameters, which way of carrying the state lets a recurrent network use an "
        "input from far back: rewriting it, gating it, or skipping?"
    ),
    "arms": ("rnn", "lstm", "residual", "densenet", "highway"),
    "tasks": {
        "temporal_order/pascanu": (10, 60),
        "adding/arjovsky": (5, 30),
        "sequential_digits/rows": (1, 20),
        "copy_memory/small": (5, 20),
    },
    "claims": (
        ("highway", "rnn", "temporal_order/pascanu", 60),
        ("highway", "rnn", "adding/arjovsky", 30),
        ("highway", "rnn", "sequential_digits/rows", 20),
        ("lstm", "rnn", "adding/arjovsky", 30),
        ("rnn", "highway", "copy_memory/small", 20),
    ),
}


def quick(roles: Mapping[str, str] | None = None) -> Fates:
    """Give fates like the quick study's; `roles` says whose fate an arm has instead of its own."""

    def fate(arm: str, task: str, lag: int, seed: int) -> Fate:
        arm = (roles or {}).get(arm, arm)
        # The seeds that solve are not the first ones: nothing may hang on the order.
        rank = (seed + hash_of(arm, task)) % 5
        solved = SOLVED.get((task, lag))
        if solved is None:
            return Fate("solved", 25 * (3 + (hash_of(arm, task, seed) % 9)))
        if rank < solved.get(arm, 0):
            return Fate("solved", 25 * (12 + hash_of(arm, task, lag, seed) % 22))
        return Fate("diverged" if rank == 4 and arm == "densenet" else "unsolved")

    return fate
