"""From classes to a network of the right size with its starting weights."""

from collections.abc import Mapping
from typing import Any

from lightning_modules import registry
from lightning_modules.architectures.base import Layer
from lightning_modules.encoder_decoder import EncoderDecoder
from lightning_modules.matching import Match, match
from lightning_modules.network import Network
from lightning_modules.randomness import reseed
from lightning_modules.refusal import RefusedError
from lightning_modules.shape import Decoder, Shape
from lightning_modules.stack import Bidirectional, Stack
from lightning_modules.tasks.base import Task

ONE_LAYER = Shape()


def size_for(
    architecture: type[Layer],
    options: Mapping[str, Any],
    task: Task,
    *,
    measure: str,
    budget: int,
    shape: Shape = ONE_LAYER,
) -> Match:
    """Find the hidden size at which an architecture meets a budget on a task.

    Raises
    ------
    lightning_modules.refusal.RefusedError
        When no size comes near enough (`BudgetError`), or the layers do not fit the wiring.
    """
    return match(
        lambda hidden_size: assemble(architecture, options, task, hidden_size, shape=shape),
        measure=measure,
        budget=budget,
    )


def assemble(
    architecture: type[Layer],
    options: Mapping[str, Any],
    task: Task,
    hidden_size: int,
    *,
    shape: Shape = ONE_LAYER,
    seed: int | None = None,
) -> Network:
    """Make the network of an architecture for a task, its start drawn from `seed`.

    All layers have the hidden size; an option that is a tuple gives each its own value.
    """
    if seed is not None:
        reseed(seed, "initialisation")
    if shape.decoder is not None:
        return _with_decoder(architecture, options, task, hidden_size, shape, shape.decoder)
    return Network(
        arranged(architecture, options, task.input_size, hidden_size, shape),
        task.output_size,
        task.answer,
        task.reply,
    )


def _with_decoder(
    architecture: type[Layer],
    options: Mapping[str, Any],
    task: Task,
    hidden_size: int,
    shape: Shape,
    declared: Decoder,
) -> EncoderDecoder:
    """Make an encoder and a decoder of one hidden size."""
    if task.reply is None:
        raise RefusedError("a decoder answers in sequences, and this task asks for none")
    encoder = arranged(architecture, options, task.reply.start, hidden_size, shape)
    if declared.architecture is not None:
        architecture, options = registry.load("architecture", declared.architecture), {}
    # A reply is said in one direction, whichever way its source was read.
    one_way = shape.model_copy(update={"bidirectional": False})
    options = {**options, "causal": True} if "causal" in options else options
    width = 1 + len(task.reply.words)
    decoder = arranged(architecture, options, width, hidden_size, one_way)
    assert isinstance(decoder, Layer)
    if declared.attention == "cross":
        decoder.look(encoder.output_size)
    return EncoderDecoder(encoder, decoder, task.output_size, task.reply, declared)


def arranged(
    architecture: type[Layer],
    options: Mapping[str, Any],
    input_size: int,
    hidden_size: int,
    shape: Shape,
) -> Layer | Bidirectional:
    """Make the layers of a shape: one alone, a stack, or two of either that meet."""

    def make(number: int, width: int) -> Layer:
        own = {k: v[number] if isinstance(v, tuple) else v for k, v in options.items()}
        layer: Layer = architecture(width, hidden_size, **own)  # type: ignore[call-arg]
        return layer

    def one_way() -> Layer:
        if shape.is_single:
            return make(0, input_size)
        return Stack(make, input_size, hidden_size, shape)

    return Bidirectional(one_way(), one_way()) if shape.bidirectional else one_way()
