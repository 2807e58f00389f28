"""Draws without replacement, for a whole batch at once."""

import numpy as np
from jaxtyping import Float, Int64


def distinct(
    generator: np.random.Generator,
    batch: int,
    count: int,
    *,
    among: int,
    weights: Float[np.ndarray, " among"] | None = None,
) -> Int64[np.ndarray, "batch count"]:
    """Draw `count` distinct numbers below `among` for each example, in the order drawn.

    With weights, each is drawn with a probability in proportion to its weight among those left: the
    first of independent exponential waiting times (Efraimidis & Spirakis 2006).
    """
    if weights is None and count**2 <= among:
        # Few of many: drawing anew what holds a number twice is faster than to order them all.
        found = generator.integers(among, size=(batch, count))
        while (twice := (np.diff(np.sort(found)) == 0).any(1)).any():
            found[twice] = generator.integers(among, size=(int(twice.sum()), count))
        return found
    waits = generator.standard_exponential((batch, among))
    if weights is not None:
        waits /= weights
    nearest = np.argpartition(waits, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(waits, nearest, axis=1).argsort(axis=1)
    return np.take_along_axis(nearest, order, axis=1)
