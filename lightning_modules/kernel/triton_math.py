"""The functions of a step in Triton, written out: within some units in the last place of torch's.

The processor's own approximations of exp, log and tanh are another set of numbers, and Triton's
interpreter, where these can be tested without a GPU, has others again. exp, log and their kin
follow Cody & Waite 1980, as on the CPU (vector_math.py). Imports Triton.
"""

# mypy: ignore-errors
# ruff: noqa: D103
import triton
import triton.language as tl


@triton.jit
def neg(x):
    return -x


@triton.jit
def relu(x):
    return tl.where(x < 0.0, tl.zeros_like(x), x)


@triton.jit
def abs(x):
    return tl.abs(x)


@triton.jit
def sign(x):
    return (x > 0.0).to(x.dtype) - (x < 0.0).to(x.dtype)


@triton.jit
def sqrt(x):
    return tl.sqrt(x)


@triton.jit
def sin(x):
    return tl.sin(x)


@triton.jit
def cos(x):
    return tl.cos(x)


@triton.jit
def erf(x):
    return tl.erf(x)


@triton.jit
def maximum(x, y):
    # A NaN on either side stays one, as in torch.
    return tl.where((x > y) | (x != x), x, y)


@triton.jit
def minimum(x, y):
    return tl.where((x < y) | (x != x), x, y)


@triton.jit
def _clamped(x):
    """Keep to where exp is a number."""
    if x.dtype == tl.float64:
        low, high = -708.39, 709.78
    else:
        low, high = -87.33, 88.72
    x = tl.where(x < low, tl.full(x.shape, low, x.dtype), x)
    return tl.where(x > high, tl.full(x.shape, high, x.dtype), x)


@triton.jit
def _reduced(x):
    """Split x into n ln 2 + f with |f| <= ln 2 / 2: gives exp(f) - 1, and n."""
    n = tl.floor(x * 1.44269504088896340736 + 0.5)
    if x.dtype == tl.float64:
        f = x - n * 6.93147180369123816490e-01
        f = f - n * 1.90821492927058770002e-10
        p = f * (1 / 6227020800.0) + 1 / 479001600.0
        p = p * f + 1 / 39916800.0
        p = p * f + 1 / 3628800.0
        p = p * f + 1 / 362880.0
        p = p * f + 1 / 40320.0
        p = p * f + 1 / 5040.0
    else:
        f = x - n * 0.693359375
        f = f - n * -2.12194440e-4
        p = f * 0.0 + 1 / 5040.0
    p = p * f + 1 / 720.0
    p = p * f + 1 / 120.0
    p = p * f + 1 / 24.0
    p = p * f + 1 / 6.0
    p = p * f + 0.5
    return p * f * f + f, n.to(tl.int32)


@triton.jit
def _power_of_two(n, like):
    if like.dtype == tl.float64:
        y = ((n.to(tl.int64) + 1023) << 52).to(tl.float64, bitcast=True)
    else:
        y = ((n + 127) << 23).to(tl.float32, bitcast=True)
    return y


@triton.jit
def exp(x):
    inside = _clamped(x)
    p, n = _reduced(inside)
    # Half of it twice: 2^128 has no place in a float.
    y = (p + 1.0) * _power_of_two(n - 1, x)
    y = y + y
    y = tl.where(x > inside, tl.full(x.shape, float("inf"), x.dtype), y)
    return tl.where(x < inside, tl.zeros_like(x), y)


@triton.jit
def expm1(x):
    inside = _clamped(x)
    p, n = _reduced(inside)
    half = _power_of_two(n - 1, x)
    y = p * half + (half - 0.5)
    y = y + y
    return tl.where(x > inside, tl.full(x.shape, float("inf"), x.dtype), y)


@triton.jit
def tanh(x):
    size = tl.abs(x)
    # Beyond, it is 1 to the last place.
    size = tl.where(size > 20.0, tl.full(x.shape, 20.0, x.dtype), size)
    p, n = _reduced(size + size)
    two_n = _power_of_two(n, x)
    e = p * two_n + (two_n - 1.0)
    y = e / (e + 2.0)
    return tl.where(x < 0.0, -y, y)


@triton.jit
def sigmoid(x):
    return 1.0 / (1.0 + exp(-x))


@triton.jit
def log(x):
    if x.dtype == tl.float64:
        bits = x.to(tl.int64, bitcast=True)
        n = ((bits >> 52) & 2047) - 1023
        m = ((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).to(tl.float64, bitcast=True)
    else:
        bits = x.to(tl.int32, bitcast=True)
        n = ((bits >> 23) & 255) - 127
        m = ((bits & 0x7FFFFF) | 0x3F800000).to(tl.float32, bitcast=True)
    is_large = m > 1.41421356237309504880
    m = tl.where(is_large, m * 0.5, m)
    k = n.to(x.dtype) + is_large.to(x.dtype)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    p = z * (2 / 23.0) + 2 / 21.0
    p = p * z + 2 / 19.0
    p = p * z + 2 / 17.0
    p = p * z + 2 / 15.0
    p = p * z + 2 / 13.0
    p = p * z + 2 / 11.0
    p = p * z + 2 / 9.0
    p = p * z + 2 / 7.0
    p = p * z + 2 / 5.0
    p = p * z + 2 / 3.0
    if x.dtype == tl.float64:
        y = k * 6.93147180369123816490e-01
        y = y + (s * 2.0 + (p * z * s + k * 1.90821492927058770002e-10))
    else:
        y = k * 0.693359375 + (s * 2.0 + (p * z * s + k * -2.12194440e-4))
    y = tl.where(x == 0.0, tl.full(x.shape, float("-inf"), x.dtype), y)
    y = tl.where(x < 0.0, tl.full(x.shape, float("nan"), x.dtype), y)
    return tl.where((x == float("inf")) | (x != x), x, y)


@triton.jit
def log1p(x):
    w = x + 1.0
    d = w - 1.0
    # Where w is 1, x itself; the division must not be by 0 there.
    y = log(w) * (x / tl.where(d == 0.0, d + 1.0, d))
    return tl.where((d == 0.0) | (w == float("inf")), x, y)


@triton.jit
def log_sigmoid(x):
    return tl.where(x < 0.0, x, tl.zeros_like(x)) - log1p(exp(-tl.abs(x)))


@triton.jit
def product(
    x,
    row,
    rows,
    here,
    w,
    down,
    across,
    K: tl.constexpr,
    N: tl.constexpr,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Multiply rows in memory, [batch, K], with a matrix [K, N], 16 units at a time."""
    of_x = tl.arange(0, 16)
    of_y = tl.arange(0, PADDED)
    total = tl.zeros([BLOCK, PADDED], x.dtype.element_ty)
    for k in range(0, K, 16):
        is_x = k + of_x < K
        part = tl.load(x + rows * row + (k + of_x)[None, :], mask=here & is_x[None, :], other=0.0)
        at = w + (k + of_x)[:, None] * down + of_y[None, :] * across
        matrix = tl.load(at, mask=is_x[:, None] & (of_y < N)[None, :], other=0.0)
        total += tl.dot(part, matrix, input_precision="ieee")
    return total
