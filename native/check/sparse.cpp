// Rulebooks of sparse convolutions, and the products of the rows that they pair.
#include <algorithm>
#include <array>

#include "check/check.hpp"
#include "kernels/epilogue.hpp"
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

// A kernel of three along each axis, among `outputs` cells.
AxisRules axes(std::int32_t stride, const std::array<std::int32_t, 3>& outputs) {
  return {AxisRule{3, stride, 1, -1, 1, 11, outputs[0]},
          AxisRule{3, stride, 1, -1, 1, 7, outputs[1]},
          AxisRule{3, stride, 1, -1, 1, 9, outputs[2]}};
}

// The rules of a kernel, offset by offset.
struct Pairs {
  Integers sources, targets;
  std::vector<std::int64_t> counts;
};

Pairs check_rules(const std::string& name, const RuleList& plan) {
  std::size_t total = 0;
  for (const std::int64_t count : plan.totals()) total += static_cast<std::size_t>(count);
  Pairs rules{Integers(total), Integers(total), plan.totals()};
  plan.write(rules.sources.data(), rules.targets.data());
  exact(name + ".counts", rules.counts);
  exact(name + ".sources", rules.sources);
  exact(name + ".targets", rules.targets);
  return rules;
}

int padded(int columns) {
  const int step = SPARSE3D_PICK(column_step)();
  return (columns + step - 1) / step * step;
}

Floats packed(const Floats& matrix, int rows, int columns, bool transposed) {
  Floats panels(static_cast<std::size_t>(rows * padded(columns)));
  SPARSE3D_PICK(pack_panels)(matrix.data(), rows, columns, transposed, panels.data());
  return panels;
}

// All pairs as if of one offset, over channels that fill neither a panel nor a group of rows.
void check_products(const Pairs& rules, std::int64_t rows, int inputs, int outputs) {
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
                                  outputs, 0, sums.data());
    close(name + (transposed ? ".transposed" : ".forward"), sums);
  }
  const auto count = static_cast<int>(pairs.count);
  const auto gathered = [&](const Integers& chosen, const Floats& values, int width) {
    const int stride = SPARSE3D_PICK(gathered_stride)(padded(width));
    Floats out(chosen.size() * static_cast<std::size_t>(stride));
    SPARSE3D_PICK(gather_rows)(chosen.data(), count, values.data(), width, out.data());
    return out;
  };
  const Floats left = gathered(rules.sources, features, inputs);
  const Floats right = gathered(rules.targets, gradients, outputs);
  Floats sums(static_cast<std::size_t>(inputs * padded(outputs))), weights = matrix;
  SPARSE3D_PICK(add_outer_products)(count, left.data(), inputs, right.data(), outputs,
                                    sums.data());
  SPARSE3D_PICK(unpack_panels)(sums.data(), inputs, outputs, weights.data());
  close(name + ".weights", weights);
}

// Rows that fill no register, apart and in place.
void check_epilogue(int width) {
  constexpr std::int64_t kRows = 5;
  const int stride = padded(width);
  Random random(9);
  const Floats sums = random.many(kRows * stride, -1, 1), bias = random.many(width, -1, 1);
  for (const bool relu : {false, true})
    for (const float* added : {static_cast<const float*>(nullptr), bias.data()}) {
      const std::string name = "epilogue." + std::to_string(width) + (relu ? ".relu" : "") +
                               (added != nullptr ? ".bias" : "");
      Floats out(static_cast<std::size_t>(kRows * width)), same = sums;
      SPARSE3D_PICK(finish_rows)({added, relu}, sums.data(), kRows, width, stride, out.data(),
                                 width);
      SPARSE3D_PICK(finish_rows)({added, relu}, same.data(), kRows, width, stride, same.data(),
                                 stride);
      close(name, out);
      close(name + ".in_place", same);
    }
}

}  // namespace

void check_sparse() {
  Random random(8);
  const std::vector<std::int64_t> keys = cells(random);
  const auto count = static_cast<std::int64_t>(keys.size());
  const AxisRules same_axes = axes(1, {11, 7, 9}), strided_axes = axes(2, {6, 4, 5});
  const std::int64_t* cell = keys.data();
  check_rules("same_cells.empty", RuleList(nullptr, 0, nullptr, 0, same_axes, true));
  check_rules("same_cells.single", RuleList(cell, 1, cell, 1, same_axes, true));
  const Pairs same =
      check_rules("same_cells", RuleList(cell, count, cell, count, same_axes, true));
  const std::vector<std::int64_t> outputs = outputs_of(cell, count, strided_axes);
  exact("strided_cells.outputs", outputs);
  check_rules("strided_cells",
              RuleList(cell, count, outputs.data(), static_cast<std::int64_t>(outputs.size()),
                       strided_axes, false));
  check_products(same, count, 7, 11);
  check_products(same, count, 1, 3);
  check_products(same, count, 12, 16);
  check_epilogue(3);
  check_epilogue(37);
}

}  // namespace sparse3d::check
