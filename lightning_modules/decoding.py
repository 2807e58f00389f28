"""Saying a reply: symbol by symbol, each shown what was said before; the likeliest, or a beam."""

from abc import abstractmethod
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lightning_modules.tasks.base import Reply

Memory = tuple[Tensor, ...]
"""What a speaker carries from one symbol to the next: tensors of shape [batch, ...]."""


@runtime_checkable
class Speaker(Protocol):
    """What can be asked for a reply."""

    @abstractmethod
    def listen(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> Memory:
        """Read the sources, padded at the right; give what is remembered."""

    @abstractmethod
    def speak(
        self, shown: Int[Tensor, " batch"], memory: Memory
    ) -> tuple[Float[Tensor, "batch output"], Memory]:
        """Read one input symbol, and give the logits of the next one of the reply."""


class Exchange:
    """The inputs of a batch in two parts: sources, and what follows them.

    `source` [batch, longest] with `lengths`, `heard` [batch, room]: `start`, then what was said.
    Both are padded at the right, with what a network does not see or is not asked about.
    """

    def __init__(self, inputs: Int[Tensor, "batch time"], reply: Reply) -> None:
        self.time = inputs.shape[1]
        self.lengths = (inputs == reply.start).int().argmax(1)
        longest, shortest = int(self.lengths.max()), int(self.lengths.min())
        self.is_even = longest == shortest
        # A source of no symbols is read as one that nobody hears: there is always a step.
        self.source = inputs[:, : max(longest, 1)].clamp(max=reply.start - 1)
        if self.is_even:
            self.heard = inputs[:, longest:]
            return
        self.places = self.lengths[:, None] + self._count(self.time - shortest)
        self.is_inside = self.places < self.time
        self.heard = inputs.gather(1, self.places.clamp(max=self.time - 1))

    @property
    def is_heard(self) -> Bool[Tensor, "batch source"]:
        """Which symbols of `source` are no padding."""
        return self._count(self.source.shape[1]) < self.lengths[:, None]

    def _count(self, steps: int) -> Int[Tensor, " steps"]:
        return torch.arange(steps, device=self.lengths.device)

    def put(self, spoken: Float[Tensor, "batch room output"]) -> Float[Tensor, "batch time output"]:
        """Put what is answered to each step of `heard` at its place in time; elsewhere zero."""
        batch, _, size = spoken.shape
        outputs = spoken.new_zeros(batch, self.time, size)
        if self.is_even:
            start = int(self.lengths[0])
            return torch.cat([outputs[:, :start], spoken], 1)
        rows, rooms = self.is_inside.nonzero(as_tuple=True)
        return outputs.index_put((rows, self.places[rows, rooms]), spoken[rows, rooms])


def decode(
    speaker: Speaker, inputs: Int[Tensor, "batch time"], reply: Reply, beam: int = 1
) -> Float[Tensor, "batch time output"]:
    """Let a speaker reply to the sources of a batch, without telling it the targets.

    Gives, at each step of a reply, the logits from which the symbol there was chosen, which is the
    largest; after the end once more those of the end. Elsewhere zeros.
    """
    exchange = Exchange(inputs, reply)
    room = exchange.heard.shape[1]
    memory = speaker.listen(exchange.source, exchange.lengths)
    search = _greedy if beam == 1 else _beam
    return exchange.put(search(speaker, memory, exchange.lengths, room, reply, beam))


def _greedy(
    speaker: Speaker, memory: Memory, lengths: Tensor, room: int, reply: Reply, beam: int
) -> Tensor:
    """Say the likeliest symbol at every step."""
    batch, device = len(lengths), lengths.device
    shown = torch.full((batch,), reply.start, device=device)
    is_over = torch.zeros(batch, dtype=torch.bool, device=device)
    said: list[Tensor] = []
    for _ in range(room):
        logits, memory = speaker.speak(shown, memory)
        if said:
            logits = torch.where(is_over[:, None], said[-1], logits)
        said.append(logits)
        best = logits.argmax(1)
        is_over = is_over | (best == reply.end)
        shown = reply.shown(best)
    return torch.stack(said, 1)


def _beam(
    speaker: Speaker, memory: Memory, lengths: Tensor, room: int, reply: Reply, beam: int
) -> Tensor:
    """Keep the `beam` likeliest beginnings of every reply, and give the likeliest at the end.

    A reply that has ended stays as it is, at the likelihood that it had. No correction for length.
    """
    size = len(reply.words)
    batch, device = len(lengths), lengths.device
    memory = tuple(part.repeat_interleave(beam, 0) for part in memory)
    shown = torch.full((batch * beam,), reply.start, device=device)
    likely: Tensor | None = None
    is_over = torch.zeros(batch, beam, dtype=torch.bool, device=device)
    numbers = torch.arange(batch, device=device)
    said: list[Tensor] = []
    for _ in range(room):
        logits, memory = speaker.speak(shown, memory)
        logits = logits.view(batch, beam, size)
        if likely is None:
            # All beams are one beginning yet.
            likely = logits.new_full((batch, beam), -torch.inf)
            likely[:, 0] = 0
        # What has ended goes on in one way, at no cost.
        goes_on = logits.new_full((size,), -torch.inf)
        goes_on[reply.end] = 0
        steps = torch.where(is_over[..., None], goes_on, logits.log_softmax(2))
        likely, chosen = (likely[..., None] + steps).view(batch, -1).topk(beam, 1)
        parent, symbol = chosen // size, chosen % size
        rows = (numbers[:, None] * beam + parent).view(-1)
        memory = tuple(part[rows] for part in memory)
        before = [one.view(batch * beam, size)[rows].view(batch, beam, size) for one in said]
        logits = logits.view(batch * beam, size)[rows].view(batch, beam, size)
        is_over = is_over.gather(1, parent)
        if before:
            logits = torch.where(is_over[..., None], before[-1], logits)
        said = [*before, _lifted(logits, symbol)]
        is_over = is_over | (symbol == reply.end)
        shown = reply.shown(symbol).view(-1)
    assert likely is not None
    best = likely.argmax(1)
    return torch.stack([one[numbers, best] for one in said], 1)


def _lifted(logits: Tensor, symbol: Tensor) -> Tensor:
    """Make the chosen symbol the largest: a beam may choose one that is not."""
    top = logits.amax(-1, keepdim=True)
    chosen = symbol[..., None]
    above = torch.where(logits.gather(-1, chosen) < top, top + 1, logits.gather(-1, chosen))
    return logits.scatter(-1, chosen, above)
