"""What every architecture promises."""

from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lightning_modules.kernel.running import is_transformed, kernel_for
from lightning_modules.refusal import RefusedError

State = tuple[Tensor, ...]
"""What a layer carries from one step to the next: tensors of shape [batch, ...]."""

Sequence = Float[Tensor, "batch time _"]
Vector = Float[Tensor, "batch _"]
Gates = dict[str, Vector]

Path = Literal["kernel", "fused", "scan", "loop"]
"""How a layer runs over a sequence: by the kernel derived from its `step`, by one of torch's, by a
parallel scan, or step by step."""


class Layer(nn.Module):
    """A causal map from sequence to sequence that can go on from a carried state.

    Some architectures look ahead where their option `causal` is off; they have no state then.
    """

    paper: ClassVar[str]
    """Where it comes from, as "Author Year, arXiv:..." or journal; printed in every report."""

    path: Path = "fused"
    """How it runs where no kernel is derived; measured times of two paths are not compared."""
    no_bfloat16: ClassVar[str] = ""
    """Why it does not run in bfloat16 under autocast, where it does not."""
    combinations: ClassVar[tuple[dict[str, Any], ...]] = ()
    """Options that the tests try together, beside each value of each option alone."""

    state_names: tuple[str, ...] = ()
    """What each tensor of the state is, in order."""

    causal: bool = True
    """Whether it keeps from looking ahead: no output depends on later inputs."""
    can_look: ClassVar[bool] = False
    """Whether it can look at another sequence while it runs, as the decoder of a translation."""
    receptive_field: int | None = None
    """How many steps an output sees, its own included, where that is limited."""

    input_size: int
    hidden_size: int
    output_size: int

    def initial_state(self, batch: int) -> State | None:
        """Give the state before the first step; None where its size grows with time.

        A state that grows does so along its second dimension, and zeros there are no step.
        """
        return None

    def forward(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Run over a whole sequence; `y[:, t]` depends on `x[:, :t + 1]` and `state` alone.

        It begins anew without a state; the state that it gives back is what it can go on from.
        """
        raise NotImplementedError

    def look(self, size: int) -> None:
        """Have it look, from now on, at another sequence as well, of `size` numbers a step.

        Raises
        ------
        RefusedError
            When it cannot.
        """
        raise RefusedError(f"a layer of {type(self).__name__} looks at no other sequence")

    def facing(
        self, h: Float[Tensor, "batch source size"], is_there: Bool[Tensor, "batch source"]
    ) -> State:
        """Give the state before the first step of one that looks at a sequence."""
        raise NotImplementedError

    def loop(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Run by the plainest path there is, whose products are counted."""
        found: tuple[Tensor, State] = self(x, state)
        return found


class Recurrent(Layer):
    """A layer whose state has a fixed size. Write `step`; the rest is here, speed included.

    `forward` runs a kernel derived from `step` (lightning_modules/kernel) where the step can be
    traced and there is a compiler, on a GPU Triton; and `without_kernel` where not.

    A subclass takes `(input_size, hidden_size, *, options...)`, calls `super().__init__`, names its
    `paper`, and states its equation in its docstring. Options that ablate a part are keyword-only.
    """

    path: Path = "loop"
    state_names: tuple[str, ...] = ("hidden",)

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.output_size = hidden_size

    def initial_state(self, batch: int) -> State:
        """Give the state before the first step: a zero vector for each name, unless overridden."""
        return tuple(self.zeros(batch, self.hidden_size) for _ in self.state_names)

    def project(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        """Do what can be done for all time steps at once (the input product)."""
        return x

    def gates(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> dict[str, Float[Tensor, "batch hidden"]]:
        """Compute the gates of one step, by name; `step` calls this, so they are in one place.

        Where one computation serves both, two kinds of key are no gates: `candidate` is what is
        written, and a name of `state_names` is what that tensor of the state becomes.
        """
        return {}

    def step(
        self, p_t: Float[Tensor, "batch projected"], state: State
    ) -> tuple[Float[Tensor, "batch output"], State]:
        """Move the state by one step: `p_t` is `project(x)[:, t]`."""
        raise NotImplementedError

    def forward(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Run over a whole sequence, as fast as this machine can."""
        state = self.initial_state(x.shape[0]) if state is None else state
        kernel = kernel_for(self, x, state)
        if isinstance(kernel, str):
            # torch's own modules for whole sequences cannot be transformed.
            is_loop = self.path == "fused" and is_transformed()
            return self.loop(x, state) if is_loop else self.without_kernel(x, state)
        return kernel(self, x, state)

    def without_kernel(
        self, x: Float[Tensor, "batch time input"], state: State
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Loop over `step`. Overridden only for speed, and held equal to `loop` by the contract."""
        return self.loop(x, state)

    def loop(
        self, x: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time output"], State]:
        """Loop over `step`: what every other path has to equal."""
        state = self.initial_state(x.shape[0]) if state is None else state
        outputs = []
        # Unbound once: on the way back, each p[:, t] would write a zero tensor of p's full size.
        for p_t in self.projected(x).unbind(1):
            y_t, state = self.step(p_t, state)
            outputs.append(y_t)
        return torch.stack(outputs, 1), state

    def projected(
        self, x: Float[Tensor, "batch time input"]
    ) -> Float[Tensor, "batch time projected"]:
        """Give `project(x)` in the weights' precision: autocast would lose small additions."""
        return self.project(x).to(next(self.parameters()).dtype)

    def zeros(self, *shape: int) -> Tensor:
        """Give zeros where the parameters live, in their type."""
        return next(self.parameters()).new_zeros(shape)
