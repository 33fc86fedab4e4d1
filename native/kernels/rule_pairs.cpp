#include "kernels/rule_pairs.hpp"

namespace sparse3d::SPARSE3D_ISA {

bool pairs_fit(const RulePairs& pairs, std::int64_t inputs, std::int64_t outputs) {
  if (pairs.count == 0) return true;
  const auto limit = static_cast<std::uint32_t>(inputs);
  std::uint32_t bad = 0;
  for (std::int64_t p = 0; p < pairs.count; ++p)
    bad |= static_cast<std::uint32_t>(pairs.from[p]) >= limit ? 1u : 0u;
  for (std::int64_t p = 1; p < pairs.count; ++p) bad |= pairs.to[p] <= pairs.to[p - 1] ? 1u : 0u;
  return bad == 0 && pairs.to[0] >= 0 && pairs.to[pairs.count - 1] < outputs;
}

}  // namespace sparse3d::SPARSE3D_ISA
