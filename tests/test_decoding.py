"""Replies that a network says by itself: greedy and beams against search by hand, and padding."""

import itertools

import pytest
import torch
from torch import Tensor

from lightning_modules.architectures.base import Recurrent
from lightning_modules.architectures.gru import GRU
from lightning_modules.architectures.lstm import LSTM
from lightning_modules.decoding import Exchange, Memory, decode
from lightning_modules.network import Network
from lightning_modules.randomness import reseed
from lightning_modules.reading import read
from lightning_modules.tasks.base import Batch, Reply

REPLY = Reply(source=("a", "b"), words=("A", "B", "."), end=2)
ROOM = 4


class Table:
    """A speaker whose likelihoods hang on all that it has said and heard: a table of random rows.

    Its memory is the number of its history, in base 4.
    """

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.rows = 2 * torch.randn(4096, 3, generator=generator, dtype=torch.float64)

    def listen(self, source: Tensor, lengths: Tensor) -> Memory:
        return (source[:, 0] + 1,)

    def speak(self, shown: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        history = memory[0] * 4 + shown - REPLY.start
        return self.rows[history % 4096], (history,)

    def likelihood(self, source: int, said: tuple[int, ...]) -> float:
        """Give the logarithm of the probability of a reply, symbol by symbol."""
        history, total, shown = source + 1, 0.0, REPLY.start
        for symbol in said:
            history = (history * 4 + shown - REPLY.start) % 4096 if shown >= 0 else history
            row = self.rows[history]
            total += float(row[symbol] - row.exp().sum().log())
            shown = REPLY.start + 1 + symbol
        return total


def asked(count: int = 2) -> Tensor:
    """Ask for replies to sources of one symbol, with room for `ROOM` symbols."""
    end = REPLY.start + 1 + REPLY.end
    return torch.tensor([[n % 2, REPLY.start] + [end] * (ROOM - 1) for n in range(count)])


def replies() -> list[tuple[int, ...]]:
    """List all that can be said: up to an end, or as far as there is room."""
    found = []
    for length in range(1, ROOM + 1):
        for said in itertools.product(range(3), repeat=length):
            ends = [n for n, symbol in enumerate(said) if symbol == REPLY.end]
            if (ends == [length - 1]) or (not ends and length == ROOM):
                found.append(said)
    return found


def said_by(outputs: Tensor) -> list[tuple[int, ...]]:
    """Read replies up to their ends."""
    rows = outputs[:, 1:].argmax(2).tolist()
    return [tuple(row[: row.index(2) + 1]) if 2 in row else tuple(row) for row in rows]


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_as_wide_as_all_replies_finds_what_exhaustive_search_finds(seed: int) -> None:
    table = Table(seed)
    found = said_by(decode(table, asked(), REPLY, beam=3**ROOM))
    for source in range(2):
        best = max(replies(), key=lambda said: table.likelihood(source, said))
        assert found[source] == best


def test_a_wider_beam_finds_replies_at_least_as_likely_on_the_whole() -> None:
    totals = []
    for beam in (1, 2, 3, 9):
        total = 0.0
        for seed in range(40):
            table = Table(seed)
            found = said_by(decode(table, asked(), REPLY, beam=beam))
            total += sum(table.likelihood(n, said) for n, said in enumerate(found))
        totals.append(total)
    assert totals == sorted(totals)
    assert totals[-1] > totals[0]


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    from lightning_modules import decoding

    table = Table(seed)
    lengths = torch.ones(4)
    memory = table.listen(asked(4)[:, :1], lengths)
    one = decoding._beam(table, memory, lengths, ROOM, REPLY, 1)
    torch.testing.assert_close(one, decoding._greedy(table, memory, lengths, ROOM, REPLY, 1))
    # By hand, symbol by symbol.
    for source, said in enumerate(said_by(decode(table, asked(), REPLY))):
        for n in range(len(said)):
            ahead = [table.likelihood(source, (*said[:n], symbol)) for symbol in range(3)]
            assert ahead.index(max(ahead)) == said[n]


def network(layer: type[Recurrent]) -> Network:
    reseed(0, "initialisation")
    made = Network(layer(REPLY.input_size, 8), 3, "each", REPLY).double()
    with torch.no_grad():
        made.read_out.weight *= 20
    return made


def batch(inputs: Tensor) -> Batch:
    mask = torch.ones_like(inputs, dtype=torch.bool)
    return Batch(inputs=inputs, targets=torch.zeros_like(inputs), mask=mask, evidence=mask)


@pytest.mark.parametrize("layer", [GRU, LSTM])
def test_a_network_that_replies_says_what_it_says_when_it_is_shown_its_own_reply(
    layer: type[Recurrent],
) -> None:
    made = network(layer)
    inputs = torch.tensor([[0, 1, 1, 2, 5, 5, 5, 5], [1, 2, 5, 5, 5, 5, 5, 5]])
    with torch.no_grad():
        outputs = made.predict(batch(inputs))
        shown = inputs.clone()
        for row, begin in ((0, 3), (1, 1)):
            said = outputs[row, begin:].argmax(1)
            shown[row, begin + 1 :] = REPLY.shown(said[:-1])
            told = made(shown)[row, begin:]
            ends = (said == REPLY.end).nonzero()
            until = int(ends[0]) + 1 if len(ends) else len(said)
            torch.testing.assert_close(outputs[row, begin:][:until], told[:until])
            assert (said[until:] == REPLY.end).all()
            assert not outputs[row, :begin].any()


@pytest.mark.parametrize("layer", [GRU, LSTM])
def test_padding_and_neighbours_change_no_reply(layer: type[Recurrent]) -> None:
    made = network(layer)
    rows = [[0, 1, 1, 2, 5, 5], [1, 2, 5, 5, 5], [2, 5, 5, 5]]
    longest = 11
    padded = torch.tensor([row + [5] * (longest - len(row)) for row in rows])
    with torch.no_grad():
        together = made.predict(batch(padded))
        for row, outputs in zip(rows, together, strict=True):
            alone = made.predict(batch(torch.tensor([row])))[0]
            torch.testing.assert_close(outputs[: len(row)], alone, rtol=0, atol=1e-12)


def test_a_state_is_read_at_each_sequences_own_end() -> None:
    layer = LSTM(3, 4).double()
    x = torch.randn(4, 6, 3, dtype=torch.float64)
    lengths = torch.tensor([6, 2, 4, 2])
    y, state = read(layer, x, lengths)
    assert y.shape == (4, 6, 4)
    for row, length in enumerate(lengths.tolist()):
        outputs, alone = layer(x[row : row + 1, :length])
        torch.testing.assert_close(y[row, :length], outputs[0])
        for part, one in zip(state, alone, strict=True):
            torch.testing.assert_close(part[row], one[0])


def test_a_ragged_batch_is_parted_and_put_together_again() -> None:
    inputs = torch.tensor([[0, 1, 1, 2, 3, 4, 5], [1, 2, 4, 4, 5, 5, 5]])
    exchange = Exchange(inputs, REPLY)
    assert exchange.lengths.tolist() == [3, 1]
    assert exchange.is_heard.tolist() == [[True] * 3, [True, False, False]]
    assert exchange.source[0].tolist() == [0, 1, 1]
    assert exchange.heard[:, 0].tolist() == [2, 2]
    marks = exchange.heard[..., None].double()
    put = exchange.put(marks)[..., 0]
    begins = torch.arange(7) >= exchange.lengths[:, None]
    assert torch.equal(put, torch.where(begins, inputs, 0).double())
