// Rulebooks of sparse convolutions, and the products of the rows that they pair.
#include <algorithm>

#include "check/check.hpp"
#include "kernels/sparse_conv.hpp"
#include "sparse/morton.hpp"
#include "sparse/rules.hpp"

namespace sparse3d::check {
namespace {

using Integers = std::vector<std::int32_t>;

std::vector<std::int64_t> cells(Random& random) {
  std::vector<std::int64_t> keys;
  for (int i = 0; i < 300; ++i)
    keys.push_back(encode({random.below(2), random.below(11), random.below(7), random.below(9)}));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<Triple> offsets(std::int32_t first) {
  std::vector<Triple> all;
  for (std::int32_t i = 0; i < 27; ++i)
    all.push_back({first + i / 9, first + i / 3 % 3, first + i % 3});
  return all;
}

// The rules of a kernel, offset by offset.
struct Rules {
  Integers sources, targets;
  std::vector<std::int64_t> counts;
};

template <typename Plan>
Rules check_rules(const std::string& name, const Plan& plan) {
  std::size_t total = 0;
  for (const std::int64_t count : plan.totals()) total += static_cast<std::size_t>(count);
  Rules rules{Integers(total), Integers(total), plan.totals()};
  plan.write(rules.sources.data(), rules.targets.data());
  exact(name + ".counts", rules.counts);
  exact(name + ".sources", rules.sources);
  exact(name + ".targets", rules.targets);
  return rules;
}

int padded(int columns) {
  const int width = SPARSE3D_PICK(panel_width)();
  return (columns + width - 1) / width * width;
}

Floats packed(const Floats& matrix, int rows, int columns, bool transposed) {
  Floats panels(static_cast<std::size_t>(rows * padded(columns)));
  SPARSE3D_PICK(pack_panels)(matrix.data(), rows, columns, transposed, panels.data());
  return panels;
}

// All pairs as if of one offset, over channels that fill neither a panel nor a group of rows.
void check_products(const Rules& rules, std::int64_t rows, int inputs, int outputs) {
  const std::string name = "products." + std::to_string(inputs) + "to" + std::to_string(outputs);
  Random random(7);
  const Floats features = random.many(rows * inputs, -1, 1);
  const Floats gradients = random.many(rows * outputs, -1, 1);
  const Floats matrix = random.many(std::int64_t{inputs} * outputs, -1, 1);
  const RulePairs pairs{rules.sources.data(), rules.targets.data(),
                        static_cast<std::int64_t>(rules.sources.size())};
  for (const bool transposed : {false, true}) {
    const Floats panels = packed(matrix, inputs, outputs, transposed);
    Floats sums(static_cast<std::size_t>(rows * padded(outputs)));
    SPARSE3D_PICK(multiply_pairs)(pairs, features.data(), inputs, panels.data(),
                                  padded(outputs) / SPARSE3D_PICK(panel_width)(), 0, sums.data());
    close(name + (transposed ? ".transposed" : ".forward"), sums);
  }
  Floats workspace(static_cast<std::size_t>(SPARSE3D_PICK(outer_workspace)(inputs, outputs)));
  Floats sums(static_cast<std::size_t>(inputs * padded(outputs))), weights = matrix;
  SPARSE3D_PICK(add_outer_products)(pairs, features.data(), inputs, gradients.data(), outputs,
                                    workspace.data(), sums.data());
  SPARSE3D_PICK(unpack_panels)(sums.data(), inputs, outputs, weights.data());
  close(name + ".weights", weights);
}

}  // namespace

void check_sparse() {
  Random random(8);
  const std::vector<std::int64_t> keys = cells(random);
  const auto count = static_cast<std::int64_t>(keys.size());
  check_rules("same_cells.empty", SameCells(nullptr, 0, offsets(-1)));
  check_rules("same_cells.single", SameCells(keys.data(), 1, offsets(-1)));
  const Rules same = check_rules("same_cells", SameCells(keys.data(), count, offsets(-1)));
  const StridedCells strided(keys.data(), count, offsets(-1), {2, 2, 2}, {6, 4, 5});
  exact("strided_cells.outputs", strided.outputs());
  check_rules("strided_cells", strided);
  check_products(same, count, 7, 11);
  check_products(same, count, 1, 3);
  check_products(same, count, 12, 16);
}

}  // namespace sparse3d::check
