"""From a `step` written in torch to expressions: run it once and write down what it does.

What does not depend on input or state (a transposed weight, a matrix exponential) is written down
apart, and is done once a sequence, by torch, under autograd.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from lightning_modules.kernel.expressions import Expressions, Node

Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, tuple[Tensor, ...]]]


class UntraceableError(Exception):
    """A step does something that has no place in a kernel; the message names it."""


@dataclass(frozen=True)
class Slot:
    """A tensor that is known only when the kernel runs: a weight, or what came of weights."""

    number: int


@dataclass(frozen=True)
class Call:
    """An operation on weights alone, and the slots that its results go to."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: tuple[int, ...]


@dataclass
class Trace:
    """What a step computes.

    `calls` are done once a sequence, with weights and buffers in the slots named by `sources`;
    `matrices` and `constants` are slots: [width in, width out], and one number per unit.
    """

    expressions: Expressions
    output: Node
    states: tuple[Node, ...]
    sources: dict[int, str]
    calls: list[Call]
    matrices: list[int]
    constants: list[int]

    def prepare(self, layer: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        """Give the matrices and the constants that the layer's weights have now."""
        slots: dict[int, Tensor] = {n: get_tensor(layer, name) for n, name in self.sources.items()}
        for call in self.calls:
            args, kwargs = tree_map_only(
                Slot, lambda slot: slots[slot.number], (call.args, call.kwargs)
            )
            results = call.function(*args, **kwargs)
            results = results if isinstance(results, (list, tuple)) else (results,)
            slots.update(zip(call.results, results, strict=True))
        return [slots[n] for n in self.matrices], [slots[n] for n in self.constants]


def trace(
    layer: nn.Module, step: Step, p_t: torch.Size, states: Sequence[torch.Size], dtype: torch.dtype
) -> Trace:
    """Write down what `step` does with input and states of these shapes, [batch, ...].

    What comes out serves any batch for which the step does the same.

    Raises
    ------
    UntraceableError
        When it does something for which there is no expression, or looks at the numbers.
    """
    generator, device = torch.Generator().manual_seed(0), next(layer.parameters()).device
    first, *parts = (
        torch.randn(shape, generator=generator, dtype=dtype).to(device) for shape in (p_t, *states)
    )
    before = plain_attributes(layer)
    with torch.no_grad(), ExitStack() as stack:
        stack.enter_context(_NoNumbers())
        recorder = stack.enter_context(Recorder(layer))
        recorder.take(first, recorder.expressions.node("input", (), first.shape[1]))
        for index, part in enumerate(parts):
            count = part.shape[1:].numel()
            recorder.take(part, recorder.expressions.node("state", (), count, index=index))
        y_t, after = step(first, tuple(parts))
    if plain_attributes(layer) != before:
        raise UntraceableError("`step` changes an attribute of the layer")
    if [part.shape for part in after] != list(states):
        raise UntraceableError("`step` changes the shape of the state")
    return Trace(
        recorder.expressions,
        recorder.row(y_t),
        tuple(recorder.row(part) for part in after),
        recorder.sources,
        recorder.calls,
        recorder.matrices,
        recorder.constants,
    )


def get_tensor(layer: nn.Module, name: str) -> Tensor:
    """Give the weight or buffer of a dotted name."""
    owner, _, last = name.rpartition(".")
    tensor: Tensor = getattr(layer.get_submodule(owner), last)
    return tensor


def plain_attributes(layer: nn.Module) -> tuple[Any, ...]:
    """Give what a step may branch on besides tensors; where it changes, a trace is void."""
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for module in layer.modules()
        for name, value in vars(module).items()
        if isinstance(value, (*_PLAIN, FunctionType))
        or (isinstance(value, (list, tuple)) and all(isinstance(part, _PLAIN) for part in value))
    )


_PLAIN = (bool, int, float, str, type(None))

_COMPARING = {"gt", "ge", "lt", "le", "eq", "ne", "any", "all", "isnan", "isfinite"}
"""What comes before a branch on data: whoever branches is told so, and not what is missing."""


class _NoNumbers(TorchFunctionMode):
    """Refuse to let a step look at the numbers: what it did with them would be frozen."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("tolist", "numpy", "__array__", "item", "__bool__", "__float__", "__int__"):
            raise UntraceableError("`step` branches on data, or reads numbers out of a tensor")
        return func(*args, **(kwargs or {}))


class Recorder(TorchDispatchMode):
    """Write down each operation of torch, as an expression or as a call on weights."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.expressions = Expressions()
        self.sources: dict[int, str] = {}
        self.calls: list[Call] = []
        self.matrices: list[int] = []
        self.constants: list[int] = []
        self._rows: dict[int, Node] = {}
        self._slots: dict[int, int] = {}
        self._count = 0
        # A tensor that is let go of may leave its identity to another.
        self._alive: list[Tensor] = []
        self._done: dict[tuple[Any, ...], Tensor] = {}
        self._names = {
            id(tensor): name
            for tensors in (layer.named_parameters(), layer.named_buffers())
            for name, tensor in tensors
        }

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        from lightning_modules.kernel.row_operations import TABLE

        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags:
            raise UntraceableError(f"`step` draws random numbers ({func})")
        tensors = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, Tensor)]
        is_of_rows = any(id(tensor) in self._rows for tensor in tensors)
        if not is_of_rows and func is torch.ops.aten._local_scalar_dense.default:
            raise UntraceableError("`step` reads numbers out of a weight")
        if is_of_rows and func not in TABLE and func.overloadpacket.__name__ in _COMPARING:
            raise UntraceableError(f"`step` branches on data, or compares it ({func})")
        if is_of_rows and func not in TABLE:
            raise UntraceableError(f"`step` uses {func}, which the kernel does not know")
        result = func(*args, **kwargs)
        if is_of_rows:
            TABLE[func](self, result, *args, **kwargs)
        else:
            self._call(func, args, kwargs, result)
        return result

    def take(self, tensor: Tensor, row: Node) -> None:
        """Know a tensor, [batch, ...], as a row for each example."""
        self._alive.append(tensor)
        self._rows[id(tensor)] = row

    def is_row(self, tensor: Any) -> bool:
        """Tell whether a tensor depends on input or state."""
        return isinstance(tensor, Tensor) and id(tensor) in self._rows

    def row(self, tensor: Tensor) -> Node:
        """Give the expression of a tensor; one that depends on nothing must be a constant."""
        if self.is_row(tensor):
            return self._rows[id(tensor)]
        return self.constant(tensor, tensor.shape)

    def operand(self, value: Any, shape: torch.Size) -> Node:
        """Give an operand of an elementwise operation whose result has a shape [batch, ...]."""
        width = shape[1:].numel()
        if not isinstance(value, Tensor):
            return self.expressions.literal(value, width)
        if not self.is_row(value):
            return self.constant(value, shape)
        row = self._rows[id(value)]
        if value.shape == shape:
            return row
        if value.ndim == len(shape) and value.shape[0] == shape[0] and row.width == 1:
            return self.expressions.spread(row, width)
        raise UntraceableError(
            f"`step` broadcasts {tuple(value.shape[1:])} to {tuple(shape[1:])} within an example"
        )

    def constant(self, tensor: Tensor, shape: torch.Size) -> Node:
        """Give numbers that are the same for every example: from weights, broadcast to a row."""
        aten = torch.ops.aten
        if tensor.ndim == len(shape):
            if not torch.equal(tensor[:1].expand_as(tensor), tensor):
                raise UntraceableError("`step` treats the examples of a batch differently")
            tensor = self.once(aten.select.int, tensor, 0, 0)
        if tensor.shape != shape[1:]:
            tensor = self.once(aten.expand.default, tensor, list(shape[1:]))
        if tensor.ndim != 1:
            tensor = self.once(aten.reshape.default, tensor, [-1])
        slot = self.slot(tensor)
        if slot not in self.constants:
            self.constants.append(slot)
        index = self.constants.index(slot)
        return self.expressions.node("constant", (), tensor.numel(), index=index)

    def once(self, func: Any, *args: Any) -> Tensor:
        """Do an operation on weights, and write down that it is done once a sequence."""
        key = (func, *(id(a) if isinstance(a, Tensor) else repr(a) for a in args))
        if key not in self._done:
            self._done[key] = func(*args)
            self._call(func, args, {}, self._done[key])
        return self._done[key]

    def matrix(self, tensor: Tensor) -> int:
        """Give the number of a matrix that rows are multiplied with."""
        slot = self.slot(tensor)
        if slot not in self.matrices:
            self.matrices.append(slot)
        return self.matrices.index(slot)

    def slot(self, tensor: Tensor) -> int:
        """Give where a tensor of weights will be found."""
        if id(tensor) not in self._slots:
            if id(tensor) not in self._names:
                raise UntraceableError(
                    f"`step` uses a tensor {tuple(tensor.shape)} that is neither weight nor buffer"
                )
            self.sources[self._new_slot(tensor)] = self._names[id(tensor)]
        return self._slots[id(tensor)]

    def _new_slot(self, tensor: Tensor) -> int:
        self._alive.append(tensor)
        self._slots[id(tensor)] = self._count
        self._count += 1
        return self._count - 1

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if func is torch.ops.aten.lift_fresh.default:
            # A number written in the step is kept as it is.
            kept = args[0].clone()
            func, args = (lambda: kept), ()
        args, kwargs = tree_map_only(Tensor, lambda t: Slot(self.slot(t)), (args, kwargs))
        results = result if isinstance(result, (list, tuple)) else (result,)
        self.calls.append(Call(func, args, kwargs, tuple(map(self._new_slot, results))))
