// What the machine can do at most: float32 fused multiply-adds and memory traffic.
//
// Compiled by harness/limits.py with -O3 -march=native -fopenmp, so the vectors are the widest ones
// of the machine.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
constexpr int kAccumulators = 24;  // two units of four cycles need 8; the rest hides the loop
#elif defined(__AVX__)
constexpr int kBytes = 32;
constexpr int kAccumulators = 12;  // of 16 registers; two units of four or five cycles need 10
#else
constexpr int kBytes = 16;
constexpr int kAccumulators = 12;
#endif
constexpr int kLanes = kBytes / 4;
typedef float Vector __attribute__((vector_size(kBytes)));

double seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// Chains of multiply-adds that do not wait for each other. Members, as compilers keep the elements
// of an array in memory. The chains converge to 2, so no value ever becomes subnormal.
template <int count>
struct Chains {
  Vector sum = Vector{} + static_cast<float>(count);
  Chains<count - 1> rest;

  inline __attribute__((always_inline)) void step(Vector half, Vector one) {
    sum = sum * half + one;
    asm volatile("" : "+v"(sum));  // keeps the chain as it is written
    rest.step(half, one);
  }
  float total() const { return sum[0] + rest.total(); }
};

template <>
struct Chains<0> {
  inline __attribute__((always_inline)) void step(Vector, Vector) {}
  float total() const { return 0; }
};

float multiply_add(std::int64_t rounds) {
  Chains<kAccumulators> chains;
  const Vector half = Vector{} + 0.5f, one = Vector{} + 1.0f;
  for (std::int64_t round = 0; round < rounds; ++round) chains.step(half, one);
  return chains.total();
}

volatile float sink;

}  // namespace

// Floating-point operations a second of all threads together, one FMA being two.
extern "C" double fma_peak(int threads, std::int64_t rounds) {
  float total = 0;
  const double begin = seconds();
#pragma omp parallel num_threads(threads) reduction(+ : total)
  total += multiply_add(rounds);
  const double took = seconds() - begin;
  sink = total;
  return 2.0 * kLanes * kAccumulators * static_cast<double>(rounds) * threads / took;
}

// Bytes a second of c = a + 2 b (STREAM's triad, McCalpin 1995), two reads and one write counted.
extern "C" double bandwidth(int threads, std::int64_t floats) {
  const auto size = static_cast<std::size_t>(floats);
  std::vector<float> a(size, 1.0f), b(size, 2.0f), c(size, 0.0f);
  double best = 1e30;
  for (int pass = 0; pass < 5; ++pass) {
    const double begin = seconds();
#pragma omp parallel for simd num_threads(threads) schedule(static)
    for (std::int64_t i = 0; i < floats; ++i) c[i] = a[i] + 2.0f * b[i];
    best = std::min(best, seconds() - begin);
    sink = c[size / 2];
  }
  return 12.0 * static_cast<double>(floats) / best;
}
