"""What the tasks share whose answers are numbers."""

import math

from jaxtyping import Float
from torch import Tensor


def explained(squared_error: Float[Tensor, ""], variance: float) -> float:
    """Give the share of the variance that is explained, in [0, 1]; 0 for what is not finite."""
    share = 1 - float(squared_error) / variance
    return max(share, 0.0) if math.isfinite(share) else 0.0
