"""Long short-term memory, whole or with a part removed."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures._weights import Weights, with_one_bias
from lightning_modules.architectures.base import Gates, Path, Recurrent, Sequence, State, Vector


class LSTM(Recurrent):
    """Long short-term memory: gates erase, write and read a cell that is otherwise left alone.

    i, f, o = sig(W x_t + U h_{t-1} + b)        g = tanh(W_g x_t + U_g h_{t-1} + b_g)
    c_t = f * c_{t-1} + i * g                   h_t = o * tanh(c_t)

    The forget gate is Gers 2000's; `forget_bias` is its start (1: Jozefowicz 2015, PMLR 37). With
    `t_max` above 0 the gates start by chrono instead (Tallec & Ollivier 2018, arXiv:1804.11188):
    b_f ~ log U(1, t_max - 1), b_i = -b_f.

    One part can be left out (`without`; names of Greff 2017, arXiv:1503.04069): the input gate,
    i = 1 (NIG); the forget gate, f = 1 (NFG: the LSTM of 1997); the output gate, o = 1 (NOG); the
    input activation, g linear (NIAF); the output activation, h = o * c (NOAF). `coupled` sets
    f = 1 - i (CIFG; i starts at -`forget_bias`). `peepholes` let i and f see v * c_{t-1}, and o see
    v * c_t (Gers 2002, JMLR 3); Greff's LSTM has them, and torch's and this one's default not.
    """

    paper = "Hochreiter & Schmidhuber 1997, Neural Computation 9(8)"
    path: Path = "fused"
    state_names = ("hidden", "cell")
    combinations = (
        {"t_max": 20},
        {"coupled": True, "peepholes": True},
        {"coupled": True, "without": "output_gate", "t_max": 20},
        {"without": "forget_gate", "peepholes": True},
    )

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        without: Literal[
            "nothing",
            "input_gate",
            "forget_gate",
            "output_gate",
            "input_activation",
            "output_activation",
        ] = "nothing",
        coupled: bool = False,
        peepholes: bool = False,
        forget_bias: float = 1.0,
        t_max: int = 0,
    ) -> None:
        super().__init__(input_size, hidden_size)
        if coupled and without in ("input_gate", "forget_gate"):
            raise ValueError(f"coupled gates need both; this is without {without}")
        if t_max and (t_max < 2 or without == "forget_gate"):
            raise ValueError(f"t_max is {t_max}; chrono needs a forget gate and at least 2")
        self.without, self.coupled = without, coupled
        gone = {without.removesuffix("_gate"), "forget" if coupled else ""}
        # In torch's order of the blocks.
        self.blocks = [b for b in ("input", "forget", "candidate", "output") if b not in gone]
        self.lstm: nn.Module
        if without == "nothing" and not coupled and not peepholes:
            self.lstm = with_one_bias(nn.LSTM(input_size, hidden_size, batch_first=True))
        else:
            self.path = "loop"
            self.lstm = Weights(input_size, hidden_size, len(self.blocks))
        self.V: nn.ParameterDict | None = None
        if peepholes:
            seeing = [b for b in self.blocks if b != "candidate"]
            self.V = nn.ParameterDict({b: torch.empty(hidden_size) for b in seeing})
            for v in self.V.values():
                nn.init.uniform_(v, -(hidden_size**-0.5), hidden_size**-0.5)
        with torch.no_grad():
            self._begin(torch.full((hidden_size,), forget_bias), t_max)

    def _begin(self, carry: Tensor, t_max: int) -> None:
        if t_max:
            carry.uniform_(1, t_max - 1).log_()
        bias = dict(zip(self.blocks, self.lstm.bias_ih_l0.chunk(len(self.blocks)), strict=True))
        if "forget" in bias:
            bias["forget"].copy_(carry)
        if "input" in bias and (t_max or self.coupled):
            bias["input"].copy_(-carry)

    def project(self, x: Sequence) -> Sequence:
        return F.linear(x, self.lstm.weight_ih_l0, self.lstm.bias_ih_l0)

    def gates(self, p_t: Vector, state: State) -> Gates:
        h, c = state
        products = (p_t + F.linear(h, self.lstm.weight_hh_l0)).chunk(len(self.blocks), 1)
        z = dict(zip(self.blocks, products, strict=True))
        gate: Gates = {n: self._open(n, z, c) for n in ("input", "forget") if n in z}
        if self.coupled:
            gate["forget"] = 1 - gate["input"]
        is_bare = self.without == "input_activation"
        written = gate["candidate"] = z["candidate"] if is_bare else z["candidate"].tanh()
        kept = gate["forget"] * c if "forget" in gate else c
        c = gate["cell"] = kept + (gate["input"] * written if "input" in gate else written)
        if "output" in z:
            gate["output"] = self._open("output", z, c)
        return gate

    def _open(self, name: str, z: dict[str, Tensor], c: Tensor) -> Tensor:
        return (z[name] if self.V is None else z[name] + self.V[name] * c).sigmoid()

    def step(self, p_t: Vector, state: State) -> tuple[Vector, State]:
        gate = self.gates(p_t, state)
        c = gate["cell"]
        h = c if self.without == "output_activation" else c.tanh()
        h = gate["output"] * h if "output" in gate else h
        return h, (h, c)

    def without_kernel(self, x: Sequence, state: State) -> tuple[Sequence, State]:
        """Run torch's fused kernel, where nothing is removed or added."""
        if self.path == "loop" or _is_without_bfloat16(x):
            return self.loop(x, state)
        h, c = state
        y, (h, c) = self.lstm(x, (h.unsqueeze(0), c.unsqueeze(0)))
        return y, (h.squeeze(0), c.squeeze(0))


def _is_without_bfloat16(x: Tensor) -> bool:
    # Torch's LSTM in bfloat16 is oneDNN's, which raises on a CPU without AVX-512.
    is_asked = x.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    return is_asked and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
