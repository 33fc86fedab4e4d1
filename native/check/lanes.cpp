// Every function of lanes.hpp, on numbers of all kinds in all pairs.
#include "kernels/lanes.hpp"

#include <limits>

#include "check/check.hpp"
#include "kernels/finite.hpp"

namespace sparse3d::check {
namespace {

using namespace SPARSE3D_ISA;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kNumbers[] = {0.0f,    -0.0f, 1.0f,      -1.0f,      0.999f, -7.99f, 3e38f, -3e-38f,
                              1e-40f,  0.5f,  kInfinity, -kInfinity, kNan,   -2.5f,  1e-4f, 17.25f};
constexpr int kCount = 16;  // a multiple of kLanes, whatever it is

// What `make` returns for first = each of the numbers against second = all of them.
template <typename Make>
Floats all_pairs(Make make) {
  Floats results;
  for (const float first : kNumbers)
    for (int at = 0; at < kCount; at += kLanes) {
      float values[kLanes];
      store_lanes(values, make(all_lanes(first), load_lanes(kNumbers + at)));
      results.insert(results.end(), values, values + kLanes);
    }
  return results;
}

void check_comparisons() {
  const Lanes yes = load_lanes(kNumbers + 4);
  const auto zero_less = [=](Lanes a, Lanes b) { return zero_if_less(a, b, yes); };
  const auto zero_unless = [=](Lanes a, Lanes b) { return zero_unless_greater(a, b, yes); };
  exact("lanes.zero_if_less", all_pairs(zero_less));
  exact("lanes.zero_unless_greater", all_pairs(zero_unless));
  exact("lanes.if_greater",
        all_pairs([=](Lanes a, Lanes b) { return if_greater(a, b, yes, a); }));
  // Both zeros are equal: which one is the smaller is nobody's business.
  exact("lanes.larger", all_pairs([](Lanes a, Lanes b) {
          return plus(larger(b, a), all_lanes(0.0f));
        }));
  exact("lanes.smaller", all_pairs([](Lanes a, Lanes b) {
          return plus(smaller(b, a), all_lanes(0.0f));
        }));
}

void check_arithmetic() {
  exact("lanes.plus", all_pairs(plus));
  exact("lanes.minus", all_pairs(minus));
  exact("lanes.times", all_pairs(times));
  exact("lanes.over", all_pairs(over));
  Random random(1);
  const Floats a = random.many(kCount, -2, 2), b = random.many(kCount, -2, 2);
  Floats sums(kCount), differences(kCount);
  for (std::size_t at = 0; at < kCount; at += kLanes) {
    const Lanes x = load_lanes(&a[at]), y = load_lanes(&b[at]), one = all_lanes(1.0f);
    store_lanes(&sums[at], fused(x, y, one));
    store_lanes(&differences[at], fused_minus(x, y, one));
  }
  close("lanes.fused", sums);
  close("lanes.fused_minus", differences);
}

void check_bits() {
  std::vector<std::uint32_t> negative;
  Floats made;
  for (int at = 0; at < kCount; at += kLanes) {
    float values[kLanes];
    const Lanes v = load_lanes(kNumbers + at);
    negative.push_back(signs(v));
    store_lanes(values, made_negative(v));
    made.insert(made.end(), values, values + kLanes);
  }
  exact("lanes.signs", negative);
  exact("lanes.made_negative", made);
}

void check_zero_after() {
  const std::vector<std::int32_t> last = {-1, 0, 5, 6, 7, 8, 1 << 30, -5,
                                          3,  2, 1, 9, 6, 7, 8,       0};
  Floats results(kCount);
  for (std::size_t at = 0; at < kCount; at += kLanes)
    store_lanes(&results[at], zero_after(7, &last[at], all_lanes(2.5f)));
  exact("lanes.zero_after", results);
}

// 2^x by 2^-x: the results themselves are too far apart to be one row.
void check_exp2() {
  Random random(2);
  const Floats x = random.many(256, -126, 127);
  Floats powers(x.size());
  for (std::size_t at = 0; at < x.size(); at += kLanes)
    store_lanes(&powers[at], exp2_lanes(load_lanes(&x[at])));
  for (std::size_t i = 0; i < x.size(); ++i)
    powers[i] = static_cast<float>(std::ldexp(powers[i], -static_cast<int>(x[i])));
  close("lanes.exp2", powers);
}

}  // namespace

void check_lanes() {
  check_comparisons();
  check_arithmetic();
  check_bits();
  check_zero_after();
  check_exp2();
}

void check_finite() {
  std::vector<int> results;
  for (const float bad : {1.0f, kInfinity, -kInfinity, kNan})
    for (std::size_t place : {0, 8, 12, 18}) {
      Floats values(19, -3e38f);
      values[place] = bad;
      results.push_back(SPARSE3D_PICK(all_finite)(values.data(), 19));
    }
  results.push_back(SPARSE3D_PICK(all_finite)(nullptr, 0));
  exact("finite", results);
}

}  // namespace sparse3d::check
