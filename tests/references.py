"""The architectures once more, in slow numpy, written from the published equations.

`REFERENCES[name]` maps a layer's weights (by parameter name) and its options to a step:
(x_t, state) -> (y_t, state). One function per architecture, in this place alone; an architecture
without one still meets the whole contract.

Longer than a file should be: every architecture has its slow form here.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg import expm
from scipy.special import erf

Weights = dict[str, np.ndarray]
State = list[np.ndarray]
Step = Callable[[np.ndarray, State], tuple[np.ndarray, State]]


def sig(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def rnn(w: Weights, options: dict[str, Any]) -> Step:
    act = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0), "linear": lambda z: z}[
        options.get("activation", "tanh")
    ]
    W, U, b = w["rnn.weight_ih_l0"], w["rnn.weight_hh_l0"], w["rnn.bias_ih_l0"]

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h = act(W @ x + U @ state[0] + b)
        return h, [h]

    return step


def lstm(w: Weights, options: dict[str, Any]) -> Step:
    without, coupled = options.get("without", "nothing"), options.get("coupled", False)
    # torch's order of the blocks: i, f, g, o; what is removed has no block.
    letters = "ifgo".replace(
        {"input_gate": "i", "forget_gate": "f", "output_gate": "o"}.get(without, "-"), ""
    )
    letters = letters.replace("f", "") if coupled else letters
    W = dict(zip(letters, np.split(w["lstm.weight_ih_l0"], len(letters)), strict=True))
    U = dict(zip(letters, np.split(w["lstm.weight_hh_l0"], len(letters)), strict=True))
    b = dict(zip(letters, np.split(w["lstm.bias_ih_l0"], len(letters)), strict=True))
    peephole = {"i": w.get("V.input", 0), "f": w.get("V.forget", 0), "o": w.get("V.output", 0)}

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h, c = state
        z = {k: W[k] @ x + U[k] @ h + b[k] for k in letters}
        i = 1.0 if without == "input_gate" else sig(z["i"] + peephole["i"] * c)
        if coupled:
            f = 1 - i
        else:
            f = 1.0 if without == "forget_gate" else sig(z["f"] + peephole["f"] * c)
        g = z["g"] if without == "input_activation" else np.tanh(z["g"])
        c = f * c + i * g
        o = 1.0 if without == "output_gate" else sig(z["o"] + peephole["o"] * c)
        h = o * (c if without == "output_activation" else np.tanh(c))
        return h, [h, c]

    return step


def gru(w: Weights, options: dict[str, Any]) -> Step:
    # torch's order of the blocks: r, z, candidate.
    Wr, Wz, Wh = np.split(w["gru.weight_ih_l0"], 3)
    Ur, Uz, Uh = np.split(w["gru.weight_hh_l0"], 3)
    br, bz, bh = np.split(w["gru.bias_ih_l0"], 3)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        (h,) = state
        r, z = sig(Wr @ x + Ur @ h + br), sig(Wz @ x + Uz @ h + bz)
        if options.get("reset", "after") == "after":
            new = np.tanh(Wh @ x + bh + r * (Uh @ h))
        else:
            new = np.tanh(Wh @ x + bh + Uh @ (r * h))
        h = (1 - z) * new + z * h
        return h, [h]

    return step


def residual(w: Weights, options: dict[str, Any]) -> Step:
    skip, U = options.get("skip", "weighted"), w["U"]
    epsilon, gamma = options.get("epsilon", 0.1), options.get("gamma", 0.01)
    leak = options.get("leak", 0.1)
    gated = skip == "gated_antisymmetric"
    W, W_z = np.split(w["W.weight"], 2) if gated else (w["W.weight"], None)
    b, b_z = np.split(w["W.bias"], 2) if gated else (w["W.bias"], None)
    A = U - U.T - gamma * np.eye(len(U))

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h = state[0]
        match skip:
            case "naive":
                h = h + epsilon * np.tanh(W @ x + U @ h + b)
            case "weighted":
                h = sig(w["b"]) * h + sig(w["a"]) * np.tanh(W @ x + U @ h + b)
            case "leaky":
                h = (1 - leak) * h + leak * np.tanh(W @ x + U @ h + b)
            case "antisymmetric":
                h = h + epsilon * np.tanh(W @ x + A @ h + b)
            case "gated_antisymmetric":
                z = sig(A @ h + W_z @ x + b_z)
                h = h + epsilon * z * np.tanh(W @ x + A @ h + b)
            case "distant":
                h = np.tanh(W @ x + U @ h + w["V"] @ state[-1] + b)
        return h, [h, *state[:-1]]

    return step


def densenet(w: Weights, options: dict[str, Any]) -> Step:
    W, b, last = w["W.weight"], w["W.bias"], options.get("last", 4)
    doubling = options.get("delays", "dense") == "doubling"
    delays = [2**j for j in range(last)] if doubling else list(range(1, last + 1))
    if options.get("matrices", "own") == "own":
        U = np.split(w["U.weight"], last, axis=1)
    else:
        U = [a * w["U.weight"] for a in w["a"]]

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        total = W @ x + b
        for U_j, delay in zip(U, delays, strict=True):
            total = total + U_j @ state[delay - 1]
        h = np.tanh(total)
        return h, [h, *state[:-1]]

    return step


def dilated(w: Weights, options: dict[str, Any]) -> Step:
    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h = np.tanh(w["W.weight"] @ x + w["U.weight"] @ state[-1] + w["W.bias"])
        state = [h, *state[:-1]]
        return (h if options.get("read") == "latest" else np.concatenate(state)), state

    return step


def highway(w: Weights, options: dict[str, Any]) -> Step:
    separate = options.get("carry", "coupled") == "separate"
    W, U, b = (np.split(w[n], 3 if separate else 2) for n in ("W.weight", "U.weight", "W.bias"))

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        (h,) = state
        z = [W_k @ x + U_k @ h + b_k for W_k, U_k, b_k in zip(W, U, b, strict=True)]
        T = sig(z[1])
        C = sig(z[2]) if separate else 1 - T
        h = T * np.tanh(z[0]) + C * h
        return h, [h]

    return step


def rhn(w: Weights, options: dict[str, Any]) -> Step:
    transition, depth = options.get("transition", "highway"), options.get("depth", 3)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        s = [state[0]]
        for d in range(1, depth + 1):
            seen = np.concatenate(s) if transition == "dense" else s[-1]
            z = w[f"R.{d - 1}.weight"] @ seen
            z = z + (w["W.weight"] @ x + w["W.bias"] if d == 1 else w[f"R.{d - 1}.bias"])
            match transition:
                case "highway":
                    H, T = np.split(z, 2)
                    s.append(np.tanh(H) * sig(T) + s[-1] * (1 - sig(T)))
                case "residual":
                    s.append(s[-1] + np.tanh(z))
                case "plain" | "dense":
                    s.append(np.tanh(z))
        return s[-1], [s[-1]]

    return step


def min_gru(w: Weights, options: dict[str, Any]) -> Step:
    (W_z, W_h), (b_z, b_h) = np.split(w["W.weight"], 2), np.split(w["W.bias"], 2)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        z = sig(W_z @ x + b_z)
        h = (1 - z) * state[0] + z * (W_h @ x + b_h)
        return h, [h]

    return step


def min_lstm(w: Weights, options: dict[str, Any]) -> Step:
    (W_f, W_i, W_h), (b_f, b_i, b_h) = np.split(w["W.weight"], 3), np.split(w["W.bias"], 3)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        f, i = sig(W_f @ x + b_f), sig(W_i @ x + b_i)
        h = f / (f + i) * state[0] + i / (f + i) * (W_h @ x + b_h)
        return h, [h]

    return step


def lru(w: Weights, options: dict[str, Any]) -> Step:
    eigenvalues = np.exp(-np.exp(w["nu"]) + 1j * np.exp(w["theta"]))
    n = len(eigenvalues)
    B = w["B"][:n] + 1j * w["B"][n:]
    C = w["C"][:, :n] - 1j * w["C"][:, n:]

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h = eigenvalues * (state[0] + 1j * state[1]) + np.exp(w["log_gamma"]) * (B @ x)
        y = (C @ h).real + w["D"] @ x
        if options.get("read", "glu") == "glu":
            gelu = y * (1 + erf(y / np.sqrt(2))) / 2
            value, gate = np.split(w["glu.weight"] @ gelu + w["glu.bias"], 2)
            y = value * sig(gate)
        return y, [h.real, h.imag]

    return step


def s_lstm(w: Weights, options: dict[str, Any]) -> Step:
    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        h, c, n, m = state
        # The equations as they stand, without the stabiliser; then divided by it.
        c, n = c * np.exp(m), n * np.exp(m)
        i, f, z, o = np.split(w["W.weight"] @ x + w["U.weight"] @ h + w["W.bias"], 4)
        f = sig(f) if options.get("forget", "sigmoid") == "sigmoid" else np.exp(f)
        c = f * c + np.exp(i) * np.tanh(z)
        n = f * n + np.exp(i)
        h = sig(o) * c / n
        m = np.maximum(np.log(f) + m, i)
        return h, [h, c / np.exp(m), n / np.exp(m), m]

    return step


def orthogonal(w: Weights, options: dict[str, Any]) -> Step:
    n = len(w["b"])
    A = np.zeros((n, n))
    A[np.triu_indices(n, 1)] = w["A"]
    U = expm(A - A.T)

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        z = w["W.weight"] @ x + U @ state[0]
        h = np.sign(z) * np.maximum(np.abs(z) + w["b"], 0)
        return h, [h]

    return step


def tcn(w: Weights, options: dict[str, Any]) -> Step:
    dilation = options.get("dilation", 1)
    V, W = (
        w[f"{n}.direction"]
        * (w[f"{n}.length"] / np.sqrt((w[f"{n}.direction"] ** 2).sum((1, 2))))[:, None, None]
        for n in "VW"
    )

    def seen(kernel: np.ndarray, window: np.ndarray) -> np.ndarray:
        # The last tap is on the step itself.
        back = [window[-1 - j * dilation] for j in reversed(range(kernel.shape[2]))]
        return sum(kernel[:, :, tap] @ x for tap, x in enumerate(back))

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        shown, inner = np.vstack([state[0], x]), state[1]
        z = np.maximum(seen(V, shown) + w["V.bias"], 0)
        inner = np.vstack([inner, z])
        r = np.maximum(seen(W, inner) + w["W.bias"], 0)
        y = np.maximum(r + w["P.weight"] @ x + w["P.bias"], 0)
        return y, [shown[1:], inner[1:]]

    return step


def normalised(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    spread = np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return w[f"{name}.weight"] * (x - x.mean()) / spread + w[f"{name}.bias"]


def transformer(w: Weights, options: dict[str, Any]) -> Step:
    """One step at a time, heads one after the other; the state is all keys and values so far."""
    heads, positions = options.get("heads", 2), options.get("positions", "rotary")
    n = len(w["W_o.weight"])
    width = max(1, n // heads)

    def turned(vector: np.ndarray, t: int) -> np.ndarray:
        pairs, out = width // 2, vector.copy()
        for i in range(pairs):
            angle = t / 10_000 ** (i / pairs)
            a, b = vector[i], vector[pairs + i]
            out[i] = a * np.cos(angle) - b * np.sin(angle)
            out[pairs + i] = a * np.sin(angle) + b * np.cos(angle)
        return out

    def position(t: int) -> np.ndarray:
        if positions == "learned":
            return w["P"][t]
        count = (n + 1) // 2
        waves = [wave(t / 10_000 ** (i / count)) for i in range(count) for wave in (np.sin, np.cos)]
        return np.array(waves)[:n]

    def step(x: np.ndarray, state: State) -> tuple[np.ndarray, State]:
        keys, values = state[:2] if state else (np.zeros((0, heads, width)),) * 2
        t = len(keys)
        z = w["W_in.weight"] @ x + w["W_in.bias"]
        z = z + position(t) if positions in ("learned", "sinusoidal") else z
        q, k, v = (w["W_qkv.weight"] @ normalised(w, "before_attention", z)).reshape(
            3, heads, width
        )
        if positions == "rotary":
            q, k = ([turned(each, t) for each in vectors] for vectors in (q, k))
        keys, values = np.vstack([keys, [k]]), np.vstack([values, [v]])
        parts = []
        for head in range(heads):
            scores = np.exp([keys[s, head] @ q[head] / np.sqrt(width) for s in range(t + 1)])
            parts.append(sum(a * values[s, head] for s, a in enumerate(scores / scores.sum())))
        a = z + w["W_o.weight"] @ np.concatenate(parts) + w["W_o.bias"]
        inner = w["W_1.weight"] @ normalised(w, "before_mlp", a) + w["W_1.bias"]
        gelu = inner * (1 + erf(inner / np.sqrt(2))) / 2
        return a + w["W_2.weight"] @ gelu + w["W_2.bias"], [keys, values, np.ones(t + 1)]

    return step


REFERENCES = {
    step.__name__: step
    for step in (
        rnn, lstm, gru, residual, densenet, dilated, highway, rhn,
        min_gru, min_lstm, lru, s_lstm, orthogonal, tcn, transformer,
    )
}  # fmt: skip
