// A picture of triangles, lines and dots. Its arithmetic is float64 in one order, never fused, so
// machines draw the same pixels to the last bit.
#include "kernels/draw.hpp"

#include "check/check.hpp"
#include "draw/binning.hpp"

namespace sparse3d::check {
namespace {

constexpr int kWidth = 75, kHeight = 50;  // the last tiles are cut off
constexpr std::int64_t kPixels = kWidth * kHeight;

using Doubles = std::vector<double>;

struct Picture {
  Floats colors = Floats(3 * kPixels);
  Floats depths = Floats(kPixels, INFINITY);
  std::vector<std::int32_t> ids = std::vector<std::int32_t>(kPixels, -1);

  DrawImages images() { return {colors.data(), depths.data(), ids.data(), kWidth}; }
  void report(const std::string& name) const {
    exact(name + ".colors", colors);
    exact(name + ".depths", depths);
    exact(name + ".ids", ids);
  }
};

const DrawCamera kCamera = {{0.96, 0, 0.28, 0, 1, 0, -0.28, 0, 0.96},
                            {-0.5, 0.1, -2.5},
                            60.0, 66.0, 38.2, 24.6,
                            0.2,
                            kWidth, kHeight};

Doubles places(Random& random, std::int64_t count) {
  const Floats values = random.many(3 * count, -2, 2);
  return Doubles(values.begin(), values.end());
}

// Calls draw(tile) for each tile that sees a record.
template <typename Record, typename Draw>
void for_tiles(const std::vector<Record>& records, Draw draw) {
  const DrawLists lists =
      list_boxes(&records.data()->box, sizeof(Record), static_cast<std::int64_t>(records.size()),
                 kWidth, kHeight);
  for (std::int64_t i = 0; i < std::int64_t{lists.columns} * lists.rows; ++i)
    draw(lists.tile(i, kWidth, kHeight));
}

void draw_points(const std::vector<DrawPoint>& records, const Floats& colors,
                 const DrawPointStyle& style, std::int32_t first, Picture& picture) {
  for_tiles(records, [&](const DrawTile& tile) {
    SPARSE3D_PICK(draw_point_tile)(records.data(), tile, kCamera, style, colors.data(), first,
                                   picture.images());
  });
}

void check_points(Random& random, Picture& picture) {
  constexpr std::int64_t kCount = 60;
  std::vector<DrawPoint> records(kCount);
  Floats positions = random.many(3 * kCount, -2, 2);
  positions[4] = NAN;
  const Floats colors = random.many(3 * kCount, 0, 1);
  const DrawPointStyle in_pixels{1.7, false}, in_world{0.06, true};
  SPARSE3D_PICK(draw_project_points_float)(positions.data(), 0, kCount, kCamera, in_pixels,
                                           records.data());
  draw_points(records, colors, in_pixels, 0, picture);
  const Doubles others = places(random, kCount);
  SPARSE3D_PICK(draw_project_points_double)(others.data(), 0, kCount, kCamera, in_world,
                                            records.data());
  draw_points(records, colors, in_world, 1000, picture);
}

void check_lines(Random& random, Picture& picture) {
  constexpr std::int64_t kCount = 25;
  std::vector<DrawLine> records(kCount);
  Doubles ends = places(random, 2 * kCount);
  ends[2] = -4;  // behind the camera
  const Floats colors = random.many(3 * kCount, 0, 1);
  const DrawLineStyle style{0.9, 0.999};
  SPARSE3D_PICK(draw_project_lines)(ends.data(), 0, kCount, kCamera, style, records.data());
  for_tiles(records, [&](const DrawTile& tile) {
    SPARSE3D_PICK(draw_line_tile)(records.data(), tile, colors.data(), 2000, style,
                                  picture.images());
  });
}

void check_triangles(Random& random, Picture& picture) {
  constexpr std::int64_t kCount = 20;
  Doubles corners = places(random, 3 * kCount);
  corners[2] = -4;                 // behind the camera: two triangles are left
  corners[14] = corners[17] = -4;  // one is left
  const Floats colors = random.many(9 * kCount, 0, 1);
  const std::int64_t left =
      SPARSE3D_PICK(draw_count_triangles)(corners.data(), 0, kCount, kCamera);
  exact("draw.triangles_left", std::vector<std::int64_t>{left});
  std::vector<DrawTriangle> records(static_cast<std::size_t>(left));
  SPARSE3D_PICK(draw_project_triangles)(corners.data(), colors.data(), 0, kCount, kCamera,
                                        records.data());
  for_tiles(records, [&](const DrawTile& tile) {
    SPARSE3D_PICK(draw_triangle_tile)(records.data(), tile, 3000, picture.images());
  });
}

}  // namespace

void check_draw() {
  Random random(9);
  Picture points, lines, triangles;
  check_points(random, points);
  check_lines(random, lines);
  check_triangles(random, triangles);
  points.report("draw.points");
  lines.report("draw.lines");
  triangles.report("draw.triangles");
}

}  // namespace sparse3d::check
