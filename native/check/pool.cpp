// Pooling along rules, with ties, infinities, what is no number, and outputs that read nothing.
#include <cstring>
#include <limits>

#include "check/check.hpp"
#include "sparse/pool.hpp"

namespace sparse3d::check {
namespace {

using Halves = std::vector<bfloat16>;
using Winners = std::vector<std::int64_t>;

constexpr std::int64_t kInputs = 170, kOutputs = 150;

// Pairs of three offsets; the last outputs have none.
struct Pairs {
  std::vector<std::int32_t> from, to;
  std::vector<std::int64_t> counts;

  PairList list() const {
    return {from.data(),   to.data(), static_cast<std::int64_t>(from.size()),
            counts.data(), 3,         kInputs,
            kOutputs};
  }
};

Pairs random_pairs(Random& random) {
  Pairs pairs;
  for (int offset = 0; offset < 3; ++offset) {
    const std::size_t before = pairs.from.size();
    for (std::int32_t output = 0; output < kOutputs - 5; ++output)
      if (random.below(3) > 0) {
        pairs.from.push_back(random.below(kInputs));
        pairs.to.push_back(output);
      }
    pairs.counts.push_back(static_cast<std::int64_t>(pairs.from.size() - before));
  }
  return pairs;
}

Floats random_values(Random& random, std::int64_t count) {
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) {
    const std::int32_t drawn = random.below(40);
    value = drawn == 0   ? std::numeric_limits<float>::quiet_NaN()
            : drawn == 1 ? std::numeric_limits<float>::infinity()
            : drawn < 6  ? -std::numeric_limits<float>::infinity()
                         : static_cast<float>(drawn - 20) / 8;
  }
  return values;
}

void print(const std::string& name, const Floats& values) { exact(name, values); }
void print(const std::string& name, const Halves& values) {
  std::vector<std::int32_t> bits;
  for (const bfloat16 value : values) bits.push_back(value.bits);
  exact(name, bits);
}

template <typename T>
PoolRows<T> rows_of(std::vector<T>& values, std::int64_t channels) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / channels, channels};
}

template <typename T>
PoolRows<const T> rows_of(const std::vector<T>& values, std::int64_t channels) {
  return {values.data(), static_cast<std::int64_t>(values.size()) / channels, channels};
}

// `values` are of the inputs, `above` of the outputs; both finite but for `odd`.
template <typename T>
void check_rows(const std::string& name, const PairList& rules, const std::vector<T>& odd,
                const std::vector<T>& values, const std::vector<T>& above,
                std::int64_t channels) {
  std::vector<T> outputs(above.size()), inputs(values.size());
  Winners winners(above.size());
  Floats reads(static_cast<std::size_t>(kOutputs));
  pool_largest(rules, odd.data(), rows_of(outputs, channels), winners.data());
  print(name + ".largest", outputs);
  exact(name + ".winners", winners);
  gather_from_winners(rows_of(values, channels), winners.data(), rows_of(outputs, channels));
  print(name + ".gathered", outputs);
  scatter_to_winners(rows_of(above, channels), winners.data(), rows_of(inputs, channels));
  print(name + ".scattered", inputs);
  pool_means(rules, values.data(), rows_of(outputs, channels), reads.data());
  print(name + ".means", outputs);
  exact(name + ".reads", reads);
  const Floats divisors(static_cast<std::size_t>(kInputs), 3.0f);
  pool_shares(rules, values.data(), divisors.data(), rows_of(outputs, channels));
  print(name + ".shares", outputs);
}

Halves halves_of(const Floats& values) {
  Halves halves(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &values[i], sizeof(bits));
    halves[i].bits = static_cast<std::uint16_t>(bits >> 16);
  }
  return halves;
}

}  // namespace

void check_pool() {
  Random random(12);
  const Pairs pairs = random_pairs(random);
  const PairList rules = pairs.list();
  for (const std::int64_t channels : {1, 5, 19}) {
    const Floats odd = random_values(random, kInputs * channels);
    const Floats values = random.many(kInputs * channels, -1, 1);
    const Floats above = random.many(kOutputs * channels, -1, 1);
    const std::string name = "pool." + std::to_string(channels);
    check_rows(name, rules, odd, values, above, channels);
    check_rows(name + ".halves", rules, halves_of(odd), halves_of(values), halves_of(above),
               channels);
  }
}

}  // namespace sparse3d::check
