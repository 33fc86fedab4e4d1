// Bindings of pooling along rules.
#include "sparse/pool.hpp"

#include "bindings.hpp"
#include "large_pages.hpp"
#include "pair_tensors.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Winners = Tensor<const std::int64_t, 2>;

template <typename T>
PoolRows<T> rows_of(const Tensor<T, 2>& values) {
  return {values.data(), static_cast<std::int64_t>(values.shape(0)),
          static_cast<std::int64_t>(values.shape(1))};
}

template <typename T>
PoolRows<T> rows_to_write(const Tensor<T, 2>& values, std::size_t channels) {
  expect_extent(values, 1, static_cast<std::int64_t>(channels), "out");
  prefer_large_pages(values.data(), static_cast<std::int64_t>(values.size()));
  return rows_of(values);
}

template <typename W, typename T>
void expect_winners(const Tensor<W, 2>& winners, const PoolRows<T>& rows) {
  expect_extent(winners, 0, rows.rows, "winners");
  expect_extent(winners, 1, rows.channels, "winners");
}

template <typename T>
void largest(const Tensor<const T, 2>& features, const PairRows& from, const PairRows& to,
             const PairCounts& counts, const Tensor<T, 2>& out,
             const Tensor<std::int64_t, 2>& winners) {
  const PoolRows<T> outputs = rows_to_write(out, features.shape(1));
  expect_winners(winners, outputs);
  prefer_large_pages(winners.data(), static_cast<std::int64_t>(winners.size()));
  const PairList rules = pairs_of(from, to, counts, features.shape(0), out.shape(0));
  pool_largest(rules, features.data(), outputs, winners.data());
}

template <typename T>
void means(const Tensor<const T, 2>& features, const PairRows& from, const PairRows& to,
           const PairCounts& counts, const Tensor<T, 2>& out, const Tensor<float, 1>& reads) {
  const PoolRows<T> outputs = rows_to_write(out, features.shape(1));
  expect_extent(reads, 0, outputs.rows, "reads");
  const PairList rules = pairs_of(from, to, counts, features.shape(0), out.shape(0));
  pool_means(rules, features.data(), outputs, reads.data());
}

template <typename T>
void shares(const Tensor<const T, 2>& features, const Tensor<const float, 1>& divisors,
            const PairRows& from, const PairRows& to, const PairCounts& counts,
            const Tensor<T, 2>& out) {
  const PoolRows<T> outputs = rows_to_write(out, features.shape(1));
  expect_extent(divisors, 0, static_cast<std::int64_t>(features.shape(0)), "divisors");
  const PairList rules = pairs_of(from, to, counts, features.shape(0), out.shape(0));
  pool_shares(rules, features.data(), divisors.data(), outputs);
}

template <typename T>
void scatter(const Tensor<const T, 2>& values, const Winners& winners, const Tensor<T, 2>& out) {
  const PoolRows<const T> given = rows_of(values);
  const PoolRows<T> outputs = rows_to_write(out, values.shape(1));
  expect_winners(winners, given);
  scatter_to_winners(given, winners.data(), outputs);
}

template <typename T>
void gather(const Tensor<const T, 2>& values, const Winners& winners, const Tensor<T, 2>& out) {
  const PoolRows<const T> given = rows_of(values);
  const PoolRows<T> outputs = rows_to_write(out, values.shape(1));
  expect_winners(winners, outputs);
  gather_from_winners(given, winners.data(), outputs);
}

// One dtype of rows.
template <typename T>
void bind_of(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  module.def("pool_largest", &largest<T>, arg("features"), arg("from_rows"), arg("to_rows"),
             arg("counts"), arg("out").noconvert(), arg("winners").noconvert(), release,
             "Set out to the largest of the inputs that outputs read, winners to their rows.");
  module.def("pool_means", &means<T>, arg("features"), arg("from_rows"), arg("to_rows"),
             arg("counts"), arg("out").noconvert(), arg("reads").noconvert(), release,
             "Set out to the means of the inputs that outputs read, reads to their numbers.");
  module.def("pool_shares", &shares<T>, arg("features"), arg("divisors"), arg("from_rows"),
             arg("to_rows"), arg("counts"), arg("out").noconvert(), release,
             "Set out to the sums over pairs of features[from] / divisors[from].");
  module.def("scatter_to_winners", &scatter<T>, arg("values"), arg("winners"),
             arg("out").noconvert(), release, "Set out[winners] to the sums of the values.");
  module.def("gather_from_winners", &gather<T>, arg("values"), arg("winners"),
             arg("out").noconvert(), release, "Set out to values[winners], 0 where that is -1.");
}

}  // namespace

void bind_pool(nanobind::module_& module) {
  bind_of<float>(module);
  bind_of<bfloat16>(module);
}

}  // namespace sparse3d
