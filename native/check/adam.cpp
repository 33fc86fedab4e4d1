// Three steps of Adam, with moments of both kinds, on all rows and on visible ones. Nothing is fused
// and every operation is defined to the last bit.
#include "kernels/adam.hpp"

#include "check/check.hpp"

namespace sparse3d::check {
namespace {

constexpr std::int64_t kRows = 13, kWidth = 3, kCount = kRows * kWidth;

using Flags = std::vector<std::uint8_t>;

AdamNumbers numbers_of(std::uint32_t step) {
  return {0.999f, 0.1f, 0.001f, 1e-15f, 0.01f / static_cast<float>(step), 3.5f, step};
}

void step(Floats& p, const Floats& g, Floats& m, Floats& v, const Flags* flags,
          const AdamNumbers& numbers) {
  if (flags)
    SPARSE3D_PICK(adam_float_rows)(p.data(), g.data(), m.data(), v.data(),
                                   {flags->data(), 0, kRows, kWidth}, numbers);
  else
    SPARSE3D_PICK(adam_float)(p.data(), g.data(), m.data(), v.data(), kCount, numbers);
}

using Halves = std::vector<std::uint16_t>;

void step(Floats& p, const Floats& g, Halves& m, Halves& v, const Flags* flags,
          const AdamNumbers& numbers) {
  if (flags)
    SPARSE3D_PICK(adam_bfloat16_rows)(p.data(), g.data(), m.data(), v.data(),
                                      {flags->data(), 0, kRows, kWidth}, numbers);
  else
    SPARSE3D_PICK(adam_bfloat16)(p.data(), g.data(), m.data(), v.data(), 5, kCount, numbers);
}

template <typename Moments>
void check_steps(const std::string& name, const Flags* flags) {
  Random random(5);
  Floats p = random.many(kCount, -1, 1);
  Moments m(kCount), v(kCount);
  for (std::uint32_t i = 1; i <= 3; ++i)
    step(p, random.many(kCount, -0.1f, 0.1f), m, v, flags, numbers_of(i));
  exact(name + ".parameters", p);
  exact(name + ".exp_avg", m);
  exact(name + ".exp_avg_sq", v);
}

}  // namespace

void check_adam() {
  const Flags flags = {0, 1, 1, 0, 0, 255, 1, 0, 1, 0, 0, 0, 1};
  check_steps<Floats>("adam.float", nullptr);
  check_steps<Halves>("adam.bfloat16", nullptr);
  check_steps<Floats>("adam.float_rows", &flags);
  check_steps<Halves>("adam.bfloat16_rows", &flags);
}

}  // namespace sparse3d::check
