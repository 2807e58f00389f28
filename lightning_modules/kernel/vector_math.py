"""The part of every kernel that is the same: vectors of numbers and their functions, in C++.

Compiler vectors (GCC and Clang) in place of torch's: the header of torch's own takes two seconds to
compile, this one a tenth. Each function is within a few units in the last place of libm's
(the tests measure it); exp, log and their kin follow Cody & Waite 1980: reduce the range, then a
Taylor polynomial long enough for the type.
"""

HEADER = r"""
#include <cstdint>
#include <cstring>
#include <cmath>
#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define INLINE static inline __attribute__((always_inline))
#ifdef DOUBLE
typedef double T;
typedef int64_t I;
constexpr int MANTISSA = 52, DEGREE = 13, BIAS = 1023;
constexpr T MAGIC = 0x1.8p52, LN2_HIGH = 6.93147180369123816490e-01,
            LN2_LOW = 1.90821492927058770002e-10, EXP_MAX = 709.78, EXP_MIN = -708.39, FLAT = 20;
#else
typedef float T;
typedef int32_t I;
constexpr int MANTISSA = 23, DEGREE = 7, BIAS = 127;
constexpr T MAGIC = 0x1.8p23f, LN2_HIGH = 0.693359375f, LN2_LOW = -2.12194440e-4f,
            EXP_MAX = 88.72f, EXP_MIN = -87.33f, FLAT = 10;
#endif
typedef T V __attribute__((vector_size(BYTES)));
typedef I M __attribute__((vector_size(BYTES)));
constexpr long LANES = BYTES / sizeof(T);

INLINE V splat(T x) { return x - V{}; }
INLINE V load(const T* p) { V x; std::memcpy(&x, p, BYTES); return x; }
INLINE void store(T* p, V x) { std::memcpy(p, &x, BYTES); }
INLINE V load_part(const T* p, long n) {
  V x = {};
  for (long i = 0; i < n; ++i) x[i] = p[i];
  return x;
}
INLINE void store_part(T* p, V x, long n) { for (long i = 0; i < n; ++i) p[i] = x[i]; }
INLINE V choose(M m, V x, V y) { return m ? x : y; }
INLINE V one_if(M m) { return choose(m, splat(1), V{}); }
INLINE V each(V x, T (*f)(T)) { for (long i = 0; i < LANES; ++i) x[i] = f(x[i]); return x; }
INLINE T total(V x) { T s = 0; for (long i = 0; i < LANES; ++i) s += x[i]; return s; }

INLINE V k_neg(V x) { return -x; }
INLINE V k_add(V x, V y) { return x + y; }
INLINE V k_sub(V x, V y) { return x - y; }
INLINE V k_mul(V x, V y) { return x * y; }
INLINE V k_div(V x, V y) { return x / y; }
INLINE V k_gt(V x, V y) { return one_if(x > y); }
INLINE V k_ge(V x, V y) { return one_if(x >= y); }
INLINE V k_lt(V x, V y) { return one_if(x < y); }
INLINE V k_le(V x, V y) { return one_if(x <= y); }
INLINE V k_eq(V x, V y) { return one_if(x == y); }
INLINE V k_where(V c, V x, V y) { return choose(c != V{}, x, y); }
// A NaN on either side stays one, as in torch.
INLINE V k_maximum(V x, V y) { return choose((x > y) | (x != x), x, y); }
INLINE V k_minimum(V x, V y) { return choose((x < y) | (x != x), x, y); }
INLINE V k_relu(V x) { return choose(x < V{}, V{}, x); }
INLINE V k_abs(V x) { return (V)((M)x & ~((M)splat(-0.0))); }
INLINE V k_sign(V x) { return one_if(x > V{}) - one_if(x < V{}); }
INLINE V k_sqrt(V x) { return each(x, [](T a) { return std::sqrt(a); }); }
INLINE V k_sin(V x) { return each(x, [](T a) { return std::sin(a); }); }
INLINE V k_cos(V x) { return each(x, [](T a) { return std::cos(a); }); }
INLINE V k_erf(V x) { return each(x, [](T a) { return std::erf(a); }); }

// x = n ln 2 + f with |f| <= ln 2 / 2: gives exp(f) - 1, and n.
INLINE V reduced(V x, M& n) {
  V k = x * T(1.44269504088896340736) + MAGIC;
  n = (M)k - (M)splat(MAGIC);
  k -= MAGIC;
  V f = x - k * LN2_HIGH;
  f -= k * LN2_LOW;
  constexpr double FACTORIALS[] = {1., 1., 2., 6., 24., 120., 720., 5040., 40320., 362880.,
                                   3628800., 39916800., 479001600., 6227020800.};
  V p = splat(T(1 / FACTORIALS[DEGREE]));
#pragma GCC unroll 16
  for (int i = DEGREE - 1; i > 1; --i) p = p * f + T(1 / FACTORIALS[i]);
  return p * f * f + f;
}
INLINE V power_of_two(M n) { return (V)((n + BIAS) << MANTISSA); }
INLINE V k_exp(V x) {
  M n;
  V inside = choose(x > EXP_MAX, splat(EXP_MAX), choose(x < EXP_MIN, splat(EXP_MIN), x));
  V p = reduced(inside, n) + 1;
  // Half of it twice: 2^128 has no place in a float.
  V y = p * power_of_two(n - 1);
  y += y;
  y = choose(x > EXP_MAX, splat(T(INFINITY)), y);
  return choose(x < EXP_MIN, V{}, y);
}
INLINE V k_expm1(V x) {
  M n;
  V inside = choose(x > EXP_MAX, splat(EXP_MAX), choose(x < EXP_MIN, splat(EXP_MIN), x));
  V p = reduced(inside, n), half = power_of_two(n - 1);
  V y = p * half + (half - T(.5));
  y += y;
  return choose(x > EXP_MAX, splat(T(INFINITY)), y);
}
INLINE V k_tanh(V x) {
  V a = k_abs(x);
  a = choose(a > FLAT, splat(FLAT), a);
  M n;
  V p = reduced(a + a, n), two_n = power_of_two(n);
  V e = p * two_n + (two_n - 1);
  V y = e / (e + 2);
  return (V)((M)y | ((M)x & (M)splat(-0.0)));
}
INLINE V k_sigmoid(V x) { return 1 / (1 + k_exp(-x)); }
INLINE V k_log(V x) {
  M bits = (M)x;
  M n = ((bits >> MANTISSA) & (2 * BIAS + 1)) - BIAS;
  V m = (V)((bits & ((I(1) << MANTISSA) - 1)) | ((I)BIAS << MANTISSA));
  M is_large = m > T(1.41421356237309504880);
  m = choose(is_large, m * T(.5), m);
  n -= is_large;
  V f = m - 1, s = f / (f + 2), z = s * s;
  V p = splat(T(2. / 23));
#pragma GCC unroll 16
  for (int i = 21; i > 1; i -= 2) p = p * z + T(2. / i);
  V k = __builtin_convertvector(n, V);
  V y = k * LN2_HIGH + (s * T(2) + (p * z * s + k * LN2_LOW));
  y = choose(x == V{}, splat(T(-INFINITY)), y);
  y = choose(x < V{}, splat(T(NAN)), y);
  return choose((x == T(INFINITY)) | (x != x), x, y);
}
INLINE V k_log1p(V x) {
  V w = x + 1;
  V y = k_log(w) * (x / (w - 1));
  return choose((w == T(1)) | (w == T(INFINITY)), x, y);
}
INLINE V k_log_sigmoid(V x) {
  return choose(x < V{}, x, V{}) - k_log1p(k_exp(-k_abs(x)));
}

typedef void (*Gemm)(const char*, const char*, const int*, const int*, const int*, const T*,
                     const T*, const int*, const T*, const int*, const T*, T*, const int*);
// z [rows, n] = beta z + x [rows, k] w, by rows: to BLAS, which counts by columns, z^T = w^T x^T.
INLINE void product(Gemm gemm, long rows, long k, long n, const T* x, long ldx, const T* w,
                    long ldw, bool is_transposed, T beta, T* z, long ldz) {
  const int m_ = n, n_ = rows, k_ = k, a_ = ldw, b_ = ldx, c_ = ldz;
  const T one = 1;
  gemm(is_transposed ? "T" : "N", "N", &m_, &n_, &k_, &one, w, &a_, x, &b_, &beta, z, &c_);
}
// gw [k, n] += x^T z, for x [rows, k] and z [rows, n]; where gw is kept as its transpose, that.
INLINE void product_of_rows(Gemm gemm, long rows, long k, long n, const T* x, long ldx, const T* z,
                            long ldz, bool is_transposed, T* gw) {
  const int n_ = is_transposed ? k : n, k_ = is_transposed ? n : k, rows_ = rows;
  const int a_ = is_transposed ? ldx : ldz, b_ = is_transposed ? ldz : ldx;
  const T one = 1;
  gemm("N", "T", &n_, &k_, &rows_, &one, is_transposed ? x : z, &a_, is_transposed ? z : x, &b_,
       &one, gw, &n_);
}

// A loop over the n units of a row: whole vectors, then one that ends with the row and goes again
// over units whose sums `keep` leaves alone; a row shorter than a vector goes lane by lane.
#define PASS(N, ...)                                                                             \
  {                                                                                              \
    const long n_ = N;                                                                           \
    const bool is_whole = n_ >= LANES;                                                           \
    const auto get = [=](const T* p) { return is_whole ? load(p) : load_part(p, n_); };          \
    const auto put = [=](T* p, V x) { is_whole ? store(p, x) : store_part(p, x, n_); };          \
    V keep = splat(1);                                                                           \
    for (long j = 0; j < n_; j += LANES) {                                                       \
      if (j + LANES > n_) {                                                                      \
        const long last = is_whole ? n_ - LANES : 0;                                             \
        for (long i = 0; i < LANES; ++i) keep[i] = last + i >= j && last + i < n_;               \
        j = last;                                                                                \
      }                                                                                          \
      __VA_ARGS__                                                                                \
    }                                                                                            \
  }
"""
