"""The architectures once more, in slow numpy, written from the published equations.

`REFERENCES[name]` maps a layer's weights (by parameter name) and its options to a step:
(x_t, state) -> (y_t, state). One function per architecture, in this place alone; an architecture
without one still meets the whole contract.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]
State = list[np.ndarray]
Step = Callable[[np.ndarray, State], tuple[np.ndarray, State]]


def sig(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def rnn(w: Weights, options: dict[str, Any]) -> Step:
    act = np.tanh if options.get("activation", "tanh") == "tanh" else lambda z: np.maximum(z, 0)
    W, U, b = w["rnn.weight_ih_l0"], w["rnn.weight_hh_l0"], w["rnn.bias_ih_l0"]

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h = act(W @ x + U @ state[0] + b)
        return h, [h]

    return step


def lstm(w: Weights, options: dict[str, Any]) -> Step:
    # torch's order of the blocks: i, f, g, o.
    Wi, Wf, Wg, Wo = np.split(w["lstm.weight_ih_l0"], 4)
    Ui, Uf, Ug, Uo = np.split(w["lstm.weight_hh_l0"], 4)
    bi, bf, bg, bo = np.split(w["lstm.bias_ih_l0"], 4)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h, c = state
        i, f = sig(Wi @ x + Ui @ h + bi), sig(Wf @ x + Uf @ h + bf)
        o, g = sig(Wo @ x + Uo @ h + bo), np.tanh(Wg @ x + Ug @ h + bg)
        c = f * c + i * g
        h = o * np.tanh(c)
        return h, [h, c]

    return step


def residual(w: Weights, options: dict[str, Any]) -> Step:
    W, b, U = w["W.weight"], w["W.bias"], w["U"]
    epsilon, gamma = options.get("epsilon", 0.1), options.get("gamma", 0.01)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        (h,) = state
        match options.get("skip", "weighted"):
            case "naive":
                h = h + epsilon * np.tanh(W @ x + U @ h + b)
            case "weighted":
                h = sig(w["b"]) * h + sig(w["a"]) * np.tanh(W @ x + U @ h + b)
            case "antisymmetric":
                A = U - U.T - gamma * np.eye(len(U))
                h = h + epsilon * np.tanh(W @ x + A @ h + b)
        return h, [h]

    return step


def densenet(w: Weights, options: dict[str, Any]) -> Step:
    W, b = w["W.weight"], w["W.bias"]
    blocks = np.split(w["U.weight"], options.get("last", 4), axis=1)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        total = W @ x + b
        for U_j, h_j in zip(blocks, state, strict=True):
            total = total + U_j @ h_j
        h = np.tanh(total)
        return h, [h, *state[:-1]]

    return step


def highway(w: Weights, options: dict[str, Any]) -> Step:
    W, W_T = np.split(w["W.weight"], 2)
    U, U_T = np.split(w["U.weight"], 2)
    b, b_T = np.split(w["W.bias"], 2)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        (h,) = state
        T = sig(W_T @ x + U_T @ h + b_T)
        h = T * np.tanh(W @ x + U @ h + b) + (1 - T) * h
        return h, [h]

    return step


REFERENCES = {
    "rnn": rnn,
    "lstm": lstm,
    "residual": residual,
    "densenet": densenet,
    "highway": highway,
}
