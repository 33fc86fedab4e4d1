// Points, lines and triangles into a picture: project all, list them by tile, draw the tiles.
#include <algorithm>
#include <limits>

#include "bindings.hpp"
#include "draw/binning.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

using Pose = Tensor<const double, 2>;
using Matrix = Tensor<const double, 2>;
using Colors = Tensor<float, 3>;
using Depths = Tensor<float, 2>;
using Ids = Tensor<std::int32_t, 2>;

constexpr std::int64_t kChunk = 2048;  // records projected at once

DrawCamera make_camera(const Pose& pose, const Matrix& matrix, double near, const Depths& depths) {
  expect_extent(pose, 0, 4, "world_from_camera");
  expect_extent(pose, 1, 4, "world_from_camera");
  expect_extent(matrix, 0, 3, "matrix");
  expect_extent(matrix, 1, 3, "matrix");
  if (std::max(depths.shape(0), depths.shape(1)) >
      static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max()))
    throw std::invalid_argument("depths must have at most 32767 rows and columns");
  DrawCamera camera{};
  for (int row = 0; row < 3; ++row) {
    std::copy_n(pose.data() + 4 * row, 3, camera.rotation + 3 * row);
    camera.centre[row] = pose.data()[4 * row + 3];
  }
  const double* k = matrix.data();
  camera.fx = k[0];
  camera.fy = k[4];
  camera.cx = k[2];
  camera.cy = k[5];
  camera.near = near;
  camera.height = static_cast<int>(depths.shape(0));
  camera.width = static_cast<int>(depths.shape(1));
  return camera;
}

DrawImages make_images(const Colors& colors, const Depths& depths, const Ids& ids) {
  for (std::size_t axis : {0, 1}) {
    const auto extent = static_cast<std::int64_t>(depths.shape(axis));
    expect_extent(colors, axis, extent, "colors_out");
    expect_extent(ids, axis, extent, "ids_out");
  }
  expect_extent(colors, 2, 3, "colors_out");
  return {colors.data(), depths.data(), ids.data(), static_cast<int>(depths.shape(1))};
}

std::int64_t chunks(std::int64_t count) { return (count + kChunk - 1) / kChunk; }

// Calls work(begin, end, chunk) for all rows, in parallel.
template <typename Work>
void for_chunks(std::int64_t count, Work work) {
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t chunk = 0; chunk < chunks(count); ++chunk)
    work(chunk * kChunk, std::min(count, (chunk + 1) * kChunk), chunk);
}

// Calls work(tile) for each tile that sees a record, in parallel; a tile's pixels are its own.
template <typename Record, typename Work>
void for_tiles(const Buffer<Record>& records, std::int64_t count, const DrawCamera& camera,
               Work work) {
  if (count == 0) return;
  const DrawLists lists = list_boxes(&records.data()->box, sizeof(Record), count, camera.width,
                                     camera.height);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t i = 0; i < std::int64_t{lists.columns} * lists.rows; ++i) {
    const DrawTile tile = lists.tile(i, camera.width, camera.height);
    if (tile.count > 0) work(tile);
  }
}

using Project = void (*)(const float*, std::int64_t, std::int64_t, const DrawCamera&,
                         DrawPointStyle, DrawPoint*);
using ProjectDouble = void (*)(const double*, std::int64_t, std::int64_t, const DrawCamera&,
                               DrawPointStyle, DrawPoint*);

Project projection(float) { return SPARSE3D_PICK(draw_project_points_float); }
ProjectDouble projection(double) { return SPARSE3D_PICK(draw_project_points_double); }

template <typename T>
void points(const Pose& pose, const Matrix& matrix, double near,
            const Tensor<const T, 2>& positions, const Tensor<const float, 2>& colors,
            double radius, bool in_world, std::int32_t first, const Colors& colors_out,
            const Depths& depths_out, const Ids& ids_out) {
  const auto count = static_cast<std::int64_t>(positions.shape(0));
  expect_extent(positions, 1, 3, "positions");
  expect_extent(colors, 0, count, "colors");
  expect_extent(colors, 1, 3, "colors");
  const DrawCamera camera = make_camera(pose, matrix, near, depths_out);
  const DrawImages images = make_images(colors_out, depths_out, ids_out);
  Buffer<DrawPoint> records(count);
  const auto project = projection(T{});
  const DrawPointStyle style{radius, in_world};
  for_chunks(count, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    project(positions.data(), begin, end, camera, style, records.data());
  });
  const auto kernel = SPARSE3D_PICK(draw_point_tile);
  for_tiles(records, count, camera, [&](const DrawTile& tile) {
    kernel(records.data(), tile, camera, style, colors.data(), first, images);
  });
}

void lines(const Pose& pose, const Matrix& matrix, double near,
           const Tensor<const double, 3>& ends, const Tensor<const float, 2>& colors, double half,
           double nearer, std::int32_t first, const Colors& colors_out, const Depths& depths_out,
           const Ids& ids_out) {
  const auto count = static_cast<std::int64_t>(ends.shape(0));
  expect_extent(ends, 1, 2, "ends");
  expect_extent(ends, 2, 3, "ends");
  expect_extent(colors, 0, count, "colors");
  expect_extent(colors, 1, 3, "colors");
  const DrawCamera camera = make_camera(pose, matrix, near, depths_out);
  const DrawImages images = make_images(colors_out, depths_out, ids_out);
  const DrawLineStyle style{half, nearer};
  Buffer<DrawLine> records(count);
  const auto project = SPARSE3D_PICK(draw_project_lines);
  for_chunks(count, [&](std::int64_t begin, std::int64_t end, std::int64_t) {
    project(ends.data(), begin, end, camera, style, records.data());
  });
  const auto kernel = SPARSE3D_PICK(draw_line_tile);
  for_tiles(records, count, camera, [&](const DrawTile& tile) {
    kernel(records.data(), tile, colors.data(), first, style, images);
  });
}

void triangles(const Pose& pose, const Matrix& matrix, double near,
               const Tensor<const double, 3>& corners, const Tensor<const float, 3>& colors,
               std::int32_t first, const Colors& colors_out, const Depths& depths_out,
               const Ids& ids_out) {
  const auto count = static_cast<std::int64_t>(corners.shape(0));
  expect_extent(colors, 0, count, "colors");
  for (std::size_t axis : {1, 2}) {
    expect_extent(corners, axis, 3, "corners");
    expect_extent(colors, axis, 3, "colors");
  }
  const DrawCamera camera = make_camera(pose, matrix, near, depths_out);
  const DrawImages images = make_images(colors_out, depths_out, ids_out);
  std::vector<std::int64_t> starts(static_cast<std::size_t>(chunks(count)) + 1, 0);
  const auto count_parts = SPARSE3D_PICK(draw_count_triangles);
  for_chunks(count, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
    starts[static_cast<std::size_t>(chunk) + 1] =
        count_parts(corners.data(), begin, end, camera);
  });
  for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
  Buffer<DrawTriangle> records(starts.back());
  const auto project = SPARSE3D_PICK(draw_project_triangles);
  for_chunks(count, [&](std::int64_t begin, std::int64_t end, std::int64_t chunk) {
    project(corners.data(), colors.data(), begin, end, camera,
            records.data() + starts[static_cast<std::size_t>(chunk)]);
  });
  const auto kernel = SPARSE3D_PICK(draw_triangle_tile);
  for_tiles(records, starts.back(), camera,
            [&](const DrawTile& tile) { kernel(records.data(), tile, first, images); });
}

template <typename T>
void define_points(nanobind::module_& module) {
  using nanobind::arg;
  module.def("draw_points", &points<T>, arg("world_from_camera"), arg("matrix"), arg("near"),
             arg("positions"), arg("colors"), arg("radius"), arg("in_world"), arg("first"),
             arg("colors_out").noconvert(), arg("depths_out").noconvert(),
             arg("ids_out").noconvert(), nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Draw dots into a picture, where they are nearer than what is there.");
}

}  // namespace

void bind_draw(nanobind::module_& module) {
  using nanobind::arg;
  const auto release = nanobind::call_guard<nanobind::gil_scoped_release>();
  define_points<float>(module);
  define_points<double>(module);
  module.def("draw_lines", &lines, arg("world_from_camera"), arg("matrix"), arg("near"),
             arg("ends"), arg("colors"), arg("half"), arg("nearer"), arg("first"),
             arg("colors_out").noconvert(), arg("depths_out").noconvert(),
             arg("ids_out").noconvert(), release,
             "Draw lines [n, start and end, 3] into a picture, where they are nearer.");
  module.def("draw_triangles", &triangles, arg("world_from_camera"), arg("matrix"), arg("near"),
             arg("corners"), arg("colors"), arg("first"), arg("colors_out").noconvert(),
             arg("depths_out").noconvert(), arg("ids_out").noconvert(), release,
             "Draw faces [n, corner, 3] into a picture, where they are nearer.");
}

}  // namespace sparse3d
