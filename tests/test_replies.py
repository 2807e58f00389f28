"""Tasks that are answered in sequences: how they are laid out, averaged and measured."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from sacrebleu import sentence_bleu, sentence_chrf
from task_cases import build

from lightning_modules import task_names
from lightning_modules.curricula import Uniform
from lightning_modules.data import Data, batch_at
from lightning_modules.refusal import RefusedError
from lightning_modules.task_guessers import draw, part, told
from lightning_modules.tasks._replies import ReplyTask, laid, spoken
from lightning_modules.tasks.base import Batch, Reply

CASES = ["copy_translation/digits", "reverse_translation/digits", "number_words/lists",
         "translation/file"]  # fmt: skip
REPLY = Reply(source=("a", "b", "c"), words=("A", "B", "C", "."), end=3)


def ragged() -> Batch:
    """Two sources, of 1 and 3 symbols, with replies of 3 and 1."""
    sources, targets = np.array([[2, 9, 9], [0, 1, 2]]), np.array([[0, 1, 2], [1, 9, 9]])
    return laid(REPLY, sources, np.array([1, 3]), targets, np.array([3, 1]))


def task(case: str) -> ReplyTask:
    found = build(case)
    assert isinstance(found, ReplyTask)
    return found


def test_a_ragged_batch_is_laid_out_by_hand() -> None:
    batch = ragged()
    assert [[REPLY.name(symbol) for symbol in row] for row in batch.inputs.tolist()] == [
        "c > A' B' C'".split(),
        "a b c > B'".split(),
    ]
    assert batch.targets.tolist() == [[0, 0, 1, 2, 3], [0, 0, 0, 1, 3]]
    assert batch.mask.int().tolist() == [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1]]
    assert batch.evidence.int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 1, 0, 0]]


def test_the_loss_of_a_ragged_batch_is_the_mean_over_its_symbols_by_hand() -> None:
    batch = ragged()
    outputs = torch.randn(2, 5, 4, dtype=torch.float64)
    total = count = 0.0
    for row, time in ((0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (1, 4)):
        shares = outputs[row, time].exp() / outputs[row, time].exp().sum()
        total -= math.log(float(shares[batch.targets[row, time]]))
        count += 1
    loss = build("copy_translation/digits").loss(outputs, batch)
    assert float(loss) == pytest.approx(total / count, rel=1e-12)
    changed = torch.where(batch.mask[..., None], outputs, 1e6)
    assert float(build("copy_translation/digits").loss(changed, batch)) == float(loss)


@pytest.mark.parametrize("case", CASES)
def test_what_is_shown_is_what_was_due_a_step_before(case: str) -> None:
    found = task(case)
    batch = draw(found, 40, 9)
    rows = zip(batch.inputs.tolist(), batch.targets.tolist(), batch.mask.tolist(), strict=True)
    for inputs, targets, mask in rows:
        asked = [t for t, is_asked in enumerate(mask) if is_asked]
        assert asked == list(range(asked[0], asked[-1] + 1))
        assert inputs.index(found.reply.start) == asked[0]
        assert targets[asked[-1]] == found.reply.end
        assert found.reply.end not in [targets[t] for t in asked[:-1]]
        for before, now in pairwise(asked):
            assert inputs[now] == found.reply.start + 1 + targets[before]
        padding = inputs[asked[-1] + 1 :]
        assert set(padding) <= {found.reply.start + 1 + found.reply.end}


def test_the_replies_of_words_are_ragged() -> None:
    for case in ("number_words/lists", "translation/file"):
        assert len(set(draw(task(case), 40, 9).mask.sum(1).tolist())) > 2


def outputs_of(found: ReplyTask, batch: Batch, replies: list[list[int]]) -> torch.Tensor:
    """Give the outputs of one who says these symbols from where the reply is asked for."""
    said = torch.zeros_like(batch.targets)
    for row, symbols in enumerate(replies):
        begin = int(batch.mask[row].int().argmax())
        symbols = symbols[: said.shape[1] - begin]
        said[row, begin : begin + len(symbols)] = torch.tensor(symbols)
    return told(found, Batch(**{**vars(batch), "targets": said}))


def test_measures_of_words_are_those_of_sacrebleu_on_the_text() -> None:
    found = task("number_words/lists")
    batch = draw(found, 1, 12)
    (right,) = spoken(found.reply, batch.targets, batch)
    wrong = [*right[:2], (right[2] + 1) % 20, *right[3:-1]]
    measures = found.measures(outputs_of(found, batch, [[*wrong, found.reply.end]]), batch)
    text = found.text(wrong)
    assert "," in text
    bleu = sentence_bleu(text, [found.text(right)], tokenize="none")
    assert measures["bleu"] == pytest.approx(bleu.score / 100)
    assert measures["chrf"] == pytest.approx(sentence_chrf(text, [found.text(right)]).score / 100)
    assert measures["exact"] == 0


@pytest.mark.parametrize("case", CASES)
def test_who_knows_measures_one_everywhere(case: str) -> None:
    found = task(case)
    batch = draw(found, 20, 10)
    measures = found.measures(told(found, batch), batch)
    assert measures == pytest.approx(dict.fromkeys(measures, 1.0))
    assert list(measures) == (["exact", "bleu", "chrf"] if found.has_words else ["exact"])


def test_one_mistake_spoils_one_reply() -> None:
    found = task("copy_translation/digits")
    batch = draw(found, 4, 5)
    outputs = told(found, batch)
    outputs[2, 7] = outputs[2, 7].roll(1)
    assert found.measures(outputs, batch) == {"exact": 0.75}
    assert found.score(outputs, batch) == pytest.approx(1 - 1 / 24)


def test_what_is_said_after_the_end_is_not_read() -> None:
    batch = ragged()
    said = torch.tensor([[0, 0, 3, 2, 3], [0, 0, 0, 1, 1]])
    assert spoken(REPLY, said, batch) == [[0], [1, 1]]


def test_measures_do_not_hang_on_the_padding() -> None:
    found = task("number_words/lists")
    batch = draw(found, 12, 10)
    outputs = torch.randn(*batch.inputs.shape, found.output_size)
    whole = found.measures(outputs, batch)
    shortest = int(batch.mask.sum(1).argmin())
    cut = int(batch.mask[shortest].nonzero().max()) + 1
    one = part(batch, shortest, shortest + 1)
    tight = Batch(**{name: getattr(one, name)[:, :cut] for name in
                     ("inputs", "targets", "mask", "evidence")})  # fmt: skip
    row = outputs[shortest : shortest + 1]
    assert found.measures(row, one) == found.measures(row[:, :cut], tight)
    assert found.loss(row, one) == found.loss(row[:, :cut], tight)
    assert 0 <= whole["chrf"] < 1


def test_an_alphabet_of_its_own() -> None:
    found = task_names.make("copy_translation", "digits(alphabet=3)")
    assert (found.input_size, found.output_size) == (3 + 1 + 4, 4)
    assert found.chance(1).score == pytest.approx((1 / 3 + 1) / 2)  # type: ignore[union-attr]
    with pytest.raises(RefusedError, match="alphabet 1: from 2 to 1000"):
        task_names.make("copy_translation", "digits(alphabet=1)")


# Trained on all lags up to one


def test_with_all_lags_up_to_one_each_batch_is_that_of_its_own_lag() -> None:
    found = build("copy_translation/digits")
    sizes = {"batch": 5, "validation_size": 4, "test_size": 4}
    data = Data(found, 6, seed=3, curriculum=Uniform(start=1), **sizes)
    stream = iter(data.train_dataloader())
    seen = []
    for index in range(60):
        batch = next(stream)
        lag = int(batch.evidence[0].sum())
        seen.append(lag)
        assert torch.equal(batch.inputs, batch_at(found, lag, 5, 3, "train", index).inputs)
    assert set(seen) == set(range(1, 7))
    assert data.evaluation("validation").evidence.sum(1).tolist() == [6] * 4
    later = iter(
        Data(found, 6, seed=3, start=20, curriculum=Uniform(start=1), **sizes).train_dataloader()
    )
    assert int(next(later).evidence[0].sum()) == seen[20]


def test_the_lags_up_to_one_are_those_that_there_is_data_for() -> None:
    found = task_names.make("translation", "file(bucket=2)")
    assert list(found.lags_up_to(9)) == list(range(1, 10))
    assert list(build("adding/arjovsky").lags_up_to(5)) == [2, 3, 4, 5]
