// The octree over a few cells: levels, children and tables of neighbours.
#include <algorithm>

#include "check/check.hpp"
#include "sparse/morton.hpp"
#include "sparse/octree.hpp"

namespace sparse3d::check {
namespace {

void check_levels(const std::string& name, const std::vector<std::int64_t>& keys, int depth) {
  const OctreeLevels octree(keys.data(), static_cast<std::int64_t>(keys.size()), depth);
  std::vector<std::int32_t> above;
  for (int level = depth; level >= 0; --level) {
    const auto size = static_cast<std::size_t>(octree.size(level));
    const std::string at = name + ".level" + std::to_string(level);
    if (level > 0) {
      std::vector<std::int64_t> nodes(size), children(size + 1);
      octree.write_keys(level, nodes.data());
      octree.write_children(level, children.data());
      exact(at + ".keys", nodes);
      exact(at + ".children", children);
    }
    std::vector<std::int32_t> table(kAround * size);
    octree.write_neighbours(level, level == depth ? nullptr : above.data(), table.data());
    exact(at + ".neighbours", table);
    above = std::move(table);
  }
}

}  // namespace

void check_octree() {
  Random random(9);
  std::vector<std::int64_t> keys;
  for (int i = 0; i < 200; ++i)
    keys.push_back(encode({2 * random.below(2), random.below(11), random.below(7), random.below(9)}));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  check_levels("octree", keys, 4);
  check_levels("octree.empty", {}, 2);
  check_levels("octree.flat", {0, std::int64_t{1} << 3 * kAxisBits}, 0);
}

}  // namespace sparse3d::check
