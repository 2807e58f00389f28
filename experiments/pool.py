"""A pool of machines as the command line says it, and how long and how dear trials are on it."""

import math
import re
from dataclasses import dataclass

from experiments.progress import duration
from lightning_modules.refusal import RefusedError

FORM = re.compile(r"(\d{1,6})x(\d{1,6})(cpu|gpu)s?")
SECONDS_TO_START = 60.0
"""Until a machine that was just given has imported what its workers need, from a shared disk."""


@dataclass(frozen=True)
class Pool:
    """So many machines, each with so many CPUs or GPUs, at so much an hour of one machine.

    A trial runs on one CPU; with GPUs, `per_gpu` share each.
    """

    machines: int
    each: int
    unit: str
    per_gpu: int = 1
    price: float | None = None

    @classmethod
    def of(cls, text: str | None, per_gpu: int | None, price: float | None) -> "Pool | None":
        """Read what the command line says of a pool, `16x4cpu` or `64x1gpu`, if it says something.

        Raises
        ------
        RefusedError
            When it is neither, or a price or a share is given of nothing.
        """
        if text is None:
            for option, value in (("--price", price), ("--trials-per-gpu", per_gpu)):
                if value is not None:
                    raise RefusedError(f"{option} is of a pool: add --pool 64x1gpu")
            return None
        found = FORM.fullmatch(text.strip().lower())
        if found is None or not (int(found[1]) and int(found[2])):
            raise RefusedError(
                f"--pool {text}: write machines x CPUs or GPUs of each: 16x4cpu, 64x1gpu"
            )
        if per_gpu is not None and found[3] == "cpu":
            raise RefusedError(f"--trials-per-gpu: --pool {text} has no GPU")
        return cls(int(found[1]), int(found[2]), found[3], per_gpu or 1, price)

    def text(self, seconds: float, longest: float, trials: int) -> str:
        """Say in one line how long trials take on it, and what that costs.

        `seconds` is what they take one after another, `longest` what the longest of them takes:
        no order is done before that, nor before all of them, shared out evenly.
        """
        on_one = self.each * (self.per_gpu if self.unit == "gpu" else 1)
        at_once = min(self.machines * on_one, trials)
        took = SECONDS_TO_START + max(longest, seconds / at_once)
        used = min(self.machines, math.ceil(trials / on_one))
        hours = used * took / 3600
        line = (
            f"about {duration(took)} on {self.machines} x {self.each} {self.unit}, "
            f"{at_once:,} trials at once on {used:,} of them: {hours:,.1f} machine-hours"
        )
        if self.unit == "gpu":
            line += ", were a trial to take there what it takes where it was timed"
        return line + (f", which cost {hours * self.price:,.2f}" if self.price is not None else "")
