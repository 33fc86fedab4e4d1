// Bindings of set partition. Sets are counted first, as that is needed to make the tensors.
#include <nanobind/stl/array.h>

#include "bindings.hpp"
#include "sparse/sets.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Triple = std::array<std::int64_t, 3>;

void make_sets(SetList* self, const Tensor<const std::int64_t, 1>& keys, const Triple& shape,
               std::int64_t batch_size, const Triple& window, const Triple& shift,
               std::int64_t size, bool by_y, const Tensor<std::int64_t, 2>& places) {
  const nanobind::gil_scoped_release release;
  const auto count = static_cast<std::int64_t>(keys.shape(0));
  expect_extent(places, 0, count, "places");
  expect_extent(places, 1, 3, "places");
  WindowAxes axes{};
  for (std::size_t i = 0; i < 3; ++i) axes[i] = {shape[i], window[i], shift[i]};
  new (self) SetList(keys.data(), count, axes, batch_size, size, by_y, places.data());
}

void write(const SetList& sets, const Tensor<std::int64_t, 2>& rows,
           const Tensor<std::uint8_t, 2>& padding) {
  expect_extent(rows, 0, sets.sets(), "rows");
  expect_extent(rows, 1, sets.size(), "rows");
  expect_extent(padding, 0, sets.sets(), "padding");
  expect_extent(padding, 1, sets.size(), "padding");
  sets.write(rows.data(), padding.data());
}

}  // namespace

void bind_set_partition(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  nanobind::class_<SetList>(module, "SetList", "Sets of the cells of windows.")
      .def("__init__", &make_sets, arg("keys"), arg("shape"), arg("batch_size"), arg("window"),
           arg("shift"), arg("size"), arg("by_y"), arg("places").noconvert())
      .def("__len__", &SetList::sets)
      .def("write", &write, arg("rows").noconvert(), arg("padding").noconvert(), release,
           "Set rows to those of the cells, padding to 1 where they repeat the one before.");
}

}  // namespace sparse3d
