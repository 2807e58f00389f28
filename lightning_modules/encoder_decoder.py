"""An encoder that reads a source, and a decoder that says the reply."""

import math

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_modules.architectures.base import Layer, State
from lightning_modules.attention import Attention, CrossAttention
from lightning_modules.decoding import Exchange, Memory, decode
from lightning_modules.network import Network
from lightning_modules.reading import read, turned
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Decoder
from lightning_modules.stack import Bidirectional
from lightning_modules.tasks.base import Batch, Reply


class EncoderDecoder(Network):
    """A decoder, which is a language model of replies, begun from an encoder's last state.

    Sutskever 2014, arXiv:1409.3215, and Cho 2014, arXiv:1406.1078. The decoder starts in the
    state that the encoder ended in, where the two have states of one kind; where they have not
    (another architecture, another depth, an encoder in both directions), in tanh(V q + b) of it,
    each part with a V of its own. Without attention that is all the decoder knows of the source.
    With attention from within its layers, a decoder whose state grows begins in no state of its
    own, and looks at the source at each step (Vaswani 2017, arXiv:1706.03762).
    In training the decoder is shown the target so far; where it is scored, what it said itself.
    `layer` is the encoder.
    """

    def __init__(
        self,
        encoder: Layer | Bidirectional,
        decoder: Layer,
        output_size: int,
        reply: Reply,
        declared: Decoder,
    ) -> None:
        super().__init__(encoder, output_size, "each", reply)
        self.decoder, self.declared = decoder, declared
        self.of: Reply = reply
        width = decoder.output_size
        self.attention: Attention | None = None
        self.looks_back = declared.attention != "none"
        if declared.attention not in ("none", "cross"):
            kind = declared.attention
            self.attention = Attention(kind, decoder.output_size, encoder.output_size)
            width += encoder.output_size
        self.read_out = nn.Linear(width, output_size)
        given, wanted = _ends(encoder), decoder.initial_state(1)
        self.has_vector = given is not None and wanted is not None
        if not self.has_vector and not self.looks_back:
            raise RefusedError(
                "without attention a decoder begins in its encoder's last state, and the state of "
                f"the {'encoder' if given is None else 'decoder'} grows with time; give it "
                'attention="additive", "multiplicative" or "cross"'
            )
        self.bridges: nn.ModuleList | None = None
        self.shapes = [part.shape[1:] for part in wanted or ()]
        if self.has_vector and [part.shape[1:] for part in given or ()] != self.shapes:
            size = sum(part[0].numel() for part in given or ())
            self.bridges = nn.ModuleList(nn.Linear(size, math.prod(s)) for s in self.shapes)

    def forward(
        self, inputs: Shaped[Tensor, "batch time ..."]
    ) -> Float[Tensor, "batch time output"]:
        """Answer at each step of the replies, shown the targets before it; elsewhere zeros."""
        exchange = Exchange(inputs, self.of)
        memory = self.listen(exchange.source, exchange.lengths)
        answers, _, _ = self._say(exchange.heard, memory)
        return exchange.put(answers)

    def predict(self, batch: Batch) -> Float[Tensor, "batch time output"]:
        """Reply to the sources of a batch, without being told the targets."""
        return decode(self, batch.inputs, self.of, self.declared.beam)

    def attend(
        self, inputs: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch reply source"] | None:
        """Give the weights over the source with which each symbol of the inputs' reply is said.

        Where each layer looks for itself, in several parts, their mean over layers and parts.
        """
        exchange = Exchange(inputs, self.of)
        found: list[Tensor] = []
        within = [part for part in self.modules() if isinstance(part, CrossAttention)]
        hooks = [
            part.register_forward_hook(lambda part, given, gave: found.append(gave[1].mean(1)))
            for part in within
        ]
        try:
            memory = self.listen(exchange.source, exchange.lengths)
            _, _, weights = self._say(exchange.heard, memory)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(found).mean(0) if found else weights

    def one_step(self) -> None:
        """Do the products of reading one symbol, and of saying one, with one to look at."""
        zeros = self.read_out.weight.new_zeros
        y, _ = self.layer.loop(zeros(1, 1, self.layer.input_size))
        one = torch.ones(1, 1, dtype=torch.bool, device=self.device)
        facing = self.decoder.facing(y, one) if self._is_within else None
        s, _ = self.decoder.loop(zeros(1, 1, self.decoder.input_size), facing)
        if self.attention is not None:
            c, _ = self.attention(s, y, one)
            s = torch.cat([s, c], 2)
        self.read_out(s)

    def listen(self, source: Int[Tensor, "batch source"], lengths: Int[Tensor, " batch"]) -> Memory:
        """Read the sources; give the decoder's first state, and what attention looks at."""
        is_reversed = self.declared.source == "reversed"
        x = self.encode(turned(source, lengths) if is_reversed else source)
        y, end = read(self.layer, x, lengths)
        memory = self._begin(end) if self.has_vector else ()
        if not self.looks_back:
            return memory
        is_heard = torch.arange(source.shape[1], device=source.device) < lengths[:, None]
        h = turned(y, lengths) if is_reversed else y
        return self.decoder.facing(h, is_heard) if self._is_within else (*memory, h, is_heard)

    def speak(
        self, shown: Int[Tensor, " batch"], memory: Memory
    ) -> tuple[Float[Tensor, "batch output"], Memory]:
        """Read one symbol of the reply, and give the logits of the next."""
        answers, memory, _ = self._say(shown[:, None], memory)
        return answers[:, 0], memory

    @property
    def _is_within(self) -> bool:
        """Whether it is the layers that look at the source."""
        return self.looks_back and self.attention is None

    def _begin(self, end: State) -> State:
        if self.bridges is None:
            return end
        q = torch.cat([part.flatten(1) for part in end], 1)
        return tuple(
            torch.tanh(bridge(q)).view(-1, *shape)
            for bridge, shape in zip(self.bridges, self.shapes, strict=True)
        )

    def _say(
        self, heard: Int[Tensor, "batch reply"], memory: Memory
    ) -> tuple[Float[Tensor, "batch reply output"], Memory, Tensor | None]:
        """Go on with a reply: answers, memory, and the weights of attention where there is any."""
        seen = memory[-2:] if self.attention is not None else ()
        state = memory[: len(memory) - len(seen)] or None
        x = F.one_hot(heard - self.of.start, self.decoder.input_size).to(self.read_out.weight.dtype)
        y, state = self.decoder(x, state)
        if self.attention is None:
            return self.read_out(y), state, None
        context, weights = self.attention(y, *seen)
        return self.read_out(torch.cat([y, context], 2)), (*state, *seen), weights


def _ends(encoder: Layer | Bidirectional) -> State | None:
    """Give states as an encoder ends in, or None where they grow with time."""
    if not isinstance(encoder, Bidirectional):
        return encoder.initial_state(1)
    both = [encoder.forwards.initial_state(1), encoder.backwards.initial_state(1)]
    if any(state is None for state in both):
        return None
    return tuple(part for state in both for part in state or ())
