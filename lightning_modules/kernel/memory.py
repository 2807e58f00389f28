"""Where a sequence's histories lie, whatever language the kernel is written in."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lightning_modules.kernel.derivation import Chain

State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Layout:
    """What every kernel's program says of its histories, each [length + time + 1, batch, width].

    `delays` are, for each state, its chain and how many steps back in it the state lies; `output`
    is the history that the output is, or None where it is a kept value (the first).
    """

    chains: tuple[Chain, ...]
    delays: tuple[tuple[int, int], ...]
    output: int | None


def make_histories(program: Layout, state: State, time: int) -> list[Tensor]:
    """Make room for every chain's past and future, the given states in their places."""
    batch = state[0].shape[0]
    histories = [
        state[0].new_empty(chain.length + time + 1, batch, chain.width) for chain in program.chains
    ]
    for (chain, delay), part in zip(program.delays, state, strict=True):
        histories[chain][program.chains[chain].length - delay] = part.reshape(batch, -1)
    return histories


def read_results(
    program: Layout, histories: Sequence[Tensor], kept: Sequence[Tensor], state: State, time: int
) -> tuple[Tensor, ...]:
    """Give the output, [batch, time, width], and the states after the last step."""
    if program.output is None:
        y = kept[0].transpose(0, 1)
    else:
        chain = program.chains[program.output]
        y = histories[program.output][chain.length + 1 :].transpose(0, 1)
    after = [
        histories[chain][time + program.chains[chain].length - delay].view(part.shape)
        for (chain, delay), part in zip(program.delays, state, strict=True)
    ]
    return y, *after
