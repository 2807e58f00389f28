"""Weights as torch names them, for the forms of a recurrence that torch's kernels do not have."""

import torch
from torch import nn


class Weights(nn.Module):
    """The weights of `blocks` products with the input and with the state, stacked as torch does.

    They start as torch's do, uniform within 1/sqrt(n); there is one bias, where torch adds two.
    """

    def __init__(self, input_size: int, hidden_size: int, blocks: int) -> None:
        super().__init__()
        rows = blocks * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(rows))
        for weight in self.parameters():
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)


def with_one_bias(kernel: nn.RNNBase) -> nn.RNNBase:
    """Hold the second of torch's two biases at 0: their sum is all that the equations have."""
    kernel.bias_hh_l0.requires_grad_(False).zero_()
    return kernel
