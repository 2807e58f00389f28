"""A GPU that is none: tensors that say they are on `cuda`, hold their numbers in this machine's
memory, and refuse to meet a tensor that is not there.

torch's own simulated tensors (`FakeTensorMode`) need a build with CUDA, and have no numbers. With
these a whole trial can be run, and has to end in the very bits of the CPU's plain loop.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pytorch_lightning.accelerators import CUDAAccelerator
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._mode_utils import no_dispatch
from torch.utils._pytree import tree_flatten, tree_map_only

from experiments import accelerator, fitting

CUDA = torch.device("cuda", 0)
ACROSS = {"_to_copy", "copy_", "_copy_from", "_copy_from_and_resize"}
"""What may take a tensor from one device to the other."""
BY_NUMBERS = {"index", "index_put", "index_put_", "_index_put_impl_"}
"""What takes places in a tensor from the CPU too."""
STRICT = {"cat", "stack", "gather", "index_select", "embedding"}
"""What does not even take a single number from another device."""
NO_DETERMINISTIC = {
    *("cumsum", "nll_loss2d_forward", "kthvalue", "median", "put_", "histc", "_ctc_loss"),
    *("replication_pad1d_backward", "reflection_pad1d_backward", "grid_sampler_2d_backward"),
    *("upsample_linear1d_backward", "max_unpool2d", "fractional_max_pool2d_backward"),
}
"""What torch refuses on CUDA, of floating point, while it is asked for determinism."""


class TwoDevicesError(RuntimeError):
    """Tensors on different devices met."""


class OnGpu(Tensor):
    """A tensor on the pretended GPU; `held` is where its numbers are."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnGpu":
        # The bits that put off a conjugation or a minus sign are not the wrapper's.
        held = held.resolve_conj().resolve_neg()
        made: OnGpu = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=torch.device("cpu"),
            requires_grad=held.requires_grad,
        )
        made.held = held.detach()
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return _answer(func, args, dict(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given, _ = tree_flatten((args, kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        tensors = [each for each in given if isinstance(each, Tensor)]
        foreign = [each for each in tensors if not isinstance(each, OnGpu)]
        is_placed = name in BY_NUMBERS and isinstance(args[0], OnGpu)
        if (
            name not in ACROSS
            and not is_placed
            and any(t.dim() > 0 or name in STRICT for t in foreign)
        ):
            raise TwoDevicesError(f"{func}: tensors on cuda:0 and on cpu")
        if name in NO_DETERMINISTIC and tensors[0].is_floating_point():
            raise RuntimeError(f"{name} has no deterministic implementation on CUDA")
        plain_args, plain_kwargs = tree_map_only(OnGpu, lambda t: t.held, (args, kwargs or {}))
        found = func(*plain_args, **plain_kwargs)
        if torch.Tag.inplace_view in func.tags:
            # The wrapper's own shape has to follow.
            with no_dispatch():
                func(*args, **(kwargs or {}))
        if func._schema.is_mutable:
            return args[0] if func._schema.returns else None
        return tree_map_only(Tensor, OnGpu, found)

    def __deepcopy__(self, memo: Any) -> "OnGpu":
        copied = OnGpu(self.held.clone())
        memo[id(self)] = copied
        return copied


def _device_of(value: Any) -> torch.device | None:
    if isinstance(value, torch.device):
        return value
    return torch.device(value) if isinstance(value, str) else None


_DEVICE, _IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__  # type: ignore[attr-defined]
_READ = (Tensor.tolist, Tensor.item, Tensor.__repr__, Tensor.__format__)
_MAKING = (torch.nn.functional.one_hot,)
"""What makes tensors within, on the device that torch takes the tensor to be on."""
_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]


class _Pretending(TorchFunctionMode):
    """Make and move tensors as if the device were there."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return _answer(func, args, dict(kwargs or {}))


def _answer(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if func == _DEVICE:
        return CUDA if isinstance(args[0], OnGpu) else func(*args)
    if func == _IS_CUDA:
        return isinstance(args[0], OnGpu)
    if func == _SET_DATA and isinstance(args[0], OnGpu):
        args[0].held = args[1].held
        return None
    if func in (Tensor.numpy, Tensor.__array__) and isinstance(args[0], OnGpu):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")
    if func in (Tensor.cpu, Tensor.cuda):
        return _sent(args[0], torch.device(func.__name__))
    if func is Tensor.to:
        return _moved(args, kwargs)
    if func in _READ and isinstance(args[0], OnGpu):
        return func(args[0].held)
    if func in _MAKING and isinstance(args[0], OnGpu):
        return OnGpu(func(args[0].held, *args[1:], **kwargs))
    asked = _device_of(kwargs.get("device"))
    if asked is not None and asked.type == "cuda":
        found = func(*args, **{**kwargs, "device": torch.device("cpu")})
        return found if isinstance(found, OnGpu) else OnGpu(found)
    return func(*args, **kwargs)


def _moved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """Do what `Tensor.to` does: (device, dtype, ...), (dtype, ...) or (other, ...)."""
    tensor, *rest = args
    asked, dtype = _device_of(kwargs.get("device")), kwargs.get("dtype")
    for given in rest:
        if isinstance(given, Tensor):
            asked, dtype = CUDA if isinstance(given, OnGpu) else torch.device("cpu"), given.dtype
        elif isinstance(given, torch.dtype):
            dtype = given
        else:
            asked = _device_of(given) or asked
    moved = tensor if asked is None else _sent(tensor, asked)
    return moved if dtype in (None, moved.dtype) else moved.to(dtype)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    if isinstance(tensor, OnGpu) == (device.type == "cuda"):
        return tensor
    sent: Tensor = _Crossing.apply(tensor, device.type == "cuda")
    return sent


class _Crossing(torch.autograd.Function):
    """A copy from one device to the other, and of the gradient back."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, is_there: bool) -> Tensor:
        ctx.is_there = is_there
        return OnGpu(tensor.detach().clone()) if is_there else tensor.held.clone()  # type: ignore[attr-defined]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None]:
        (gradient,) = gradients
        return gradient.held if ctx.is_there else OnGpu(gradient), None  # type: ignore[attr-defined]


class _Accelerator(CUDAAccelerator):
    """Lightning's, without a question to a driver."""

    def setup_device(self, device: torch.device) -> None:
        assert device == CUDA

    def setup(self, trainer: Any) -> None:
        """Nothing is cleared."""

    def teardown(self) -> None:
        """Nothing is cleared."""

    @staticmethod
    def parse_devices(devices: Any) -> list[int]:
        return [0]

    @staticmethod
    def is_available() -> bool:
        return True


GPU = {
    "gpu": "a pretended GPU",
    "gpu_driver": "none",
    "cuda": "none",
    "cudnn": None,
    "cudnn_deterministic": True,
    "cudnn_benchmark": False,
    "tf32": False,
    "cublas_workspaces": accelerator.WORKSPACES,
    "triton": "none",
}


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have longdep and Lightning find the GPU; to be used within `pretended`."""
    monkeypatch.setattr(accelerator, "why_no_gpu", lambda: "")
    monkeypatch.setattr(accelerator, "described", lambda: GPU)
    monkeypatch.setitem(fitting.LIGHTNINGS, "gpu", _Accelerator())
    # A kernel in Triton would be made for a real one.
    monkeypatch.setattr("lightning_modules.kernel.running.triton_problem", lambda: "none here")
    # Random numbers are drawn on the CPU here.
    monkeypatch.setattr(
        torch.cuda, "get_rng_state", lambda device: torch.default_generator.get_state()
    )


_apply = nn.Module._apply


def _applied(module: nn.Module, *args: Any, **kwargs: Any) -> nn.Module:
    """Have a module that is moved keep its parameters, as with a GPU: their insides change."""
    future = torch.__future__
    before = future.get_swap_module_params_on_conversion()
    future.set_swap_module_params_on_conversion(True)
    try:
        return _apply(module, *args, **kwargs)
    finally:
        future.set_swap_module_params_on_conversion(before)


@contextlib.contextmanager
def pretended() -> Iterator[torch.device]:
    """Pretend that there is a GPU, and give it."""
    with (
        warnings.catch_warnings(),
        pytest.MonkeyPatch.context() as patch,
        _Pretending(),
    ):
        # Asked by torch's RNN modules, when they are moved.
        warnings.filterwarnings("ignore", "PyTorch was compiled without cuDNN")
        patch.setattr(nn.Module, "_apply", _applied)
        yield CUDA
