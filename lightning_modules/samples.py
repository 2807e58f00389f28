"""Replies of a network as words, to be read, with what it looked at."""

from typing import Any

import torch
from torch import Tensor

from lightning_modules.encoder_decoder import EncoderDecoder
from lightning_modules.network import Network
from lightning_modules.tasks.base import Batch, Reply

COUNT = 3
"""Examples that are kept of each lag."""
LONGEST = 60
"""A source or a reply of more symbols is not kept."""


def samples(network: Network, reply: Reply, batch: Batch) -> list[dict[str, Any]]:
    """Reply to the first examples of a batch.

    Gives `source`, `target` and `said` as lists of words, the end left out, and `weights`: for each
    word that was said, and the end, the attention over the source; None without attention.
    """
    few = _first(batch, COUNT).to(network.device)
    with torch.no_grad():
        said = network.predict(few).argmax(-1)
        weights = _weights(network, reply, few, said)
    found = []
    for row in range(len(said)):
        begin = int(few.evidence[row].sum())
        here = _until_end(said[row, begin:], reply)
        seen = None if weights is None else weights[row, : len(here) + 1, :begin]
        example = {
            "source": [reply.source[symbol] for symbol in few.inputs[row, :begin].tolist()],
            "target": _until_end(few.targets[row][few.mask[row]], reply),
            "said": here,
            "weights": None if seen is None else [[round(w, 4) for w in r] for r in seen.tolist()],
        }
        if max(len(example[key]) for key in ("source", "target", "said")) <= LONGEST:  # type: ignore[arg-type]
            found.append(example)
    return found


def _weights(network: Network, reply: Reply, batch: Batch, said: Tensor) -> Tensor | None:
    """Give attention while a network says what it said."""
    if not isinstance(network, EncoderDecoder):
        return None
    inputs = batch.inputs.clone()
    begins = batch.evidence.sum(1)
    for row, begin in enumerate(begins.tolist()):
        inputs[row, begin + 1 :] = reply.shown(said[row, begin:-1])
    return network.attend(inputs)


def _until_end(symbols: Tensor, reply: Reply) -> list[str]:
    listed: list[int] = symbols.tolist()
    if reply.end in listed:
        listed = listed[: listed.index(reply.end)]
    return [reply.words[symbol] for symbol in listed]


def _first(batch: Batch, count: int) -> Batch:
    named = {k: v[:count] for k, v in vars(batch).items() if k != "context"}
    return Batch(**named)
