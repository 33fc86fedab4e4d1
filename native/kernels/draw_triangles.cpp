#include "kernels/draw_winners.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

constexpr double kGrid = 256;  // corners are rounded to this part of a pixel

struct Corner {
  DrawPlace place;
  double color[3];
};

// The corner, or, if it is not beyond `near`, where the way to the other one comes there.
Corner cut(const Corner& corner, const Corner& other, double near) {
  if (corner.place.z > near) return corner;
  const DrawPlace &a = corner.place, &b = other.place;
  const double t = (near - a.z) / (b.z - a.z);
  Corner moved{{a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), near}, {}};
  for (int channel = 0; channel < 3; ++channel)
    moved.color[channel] =
        corner.color[channel] + t * (other.color[channel] - corner.color[channel]);
  return moved;
}

double snap(double pixel) { return __builtin_floor(pixel * kGrid + 0.5) / kGrid; }

// One side. Its origin is the lesser end, so that both directions round alike, and neighbours
// agree on every pixel.
struct Edge {
  double x, y, dx, dy;
  bool top_left;

  Edge(double ax, double ay, double bx, double by)
      : dx(bx - ax), dy(by - ay), top_left(by < ay || (by == ay && bx > ax)) {
    const bool from_end = bx < ax || (bx == ax && by < ay);
    x = from_end ? bx : ax;
    y = from_end ? by : ay;
  }

  // Twice the area that the side makes with a place, positive inside.
  double at(double px, double py) const { return dx * (py - y) - dy * (px - x); }
  bool has(double area) const { return area > 0 || (area == 0 && top_left); }
};

DrawTriangle finished(const Corner& a, const Corner& b, const Corner& c,
                      const DrawCamera& camera, std::int32_t face) {
  const Corner* corners[] = {&a, &b, &c};
  double x[3], y[3];
  for (int k = 0; k < 3; ++k) {
    x[k] = snap(draw_pixel_x(camera, corners[k]->place));
    y[k] = snap(draw_pixel_y(camera, corners[k]->place));
  }
  const double area = Edge(x[0], y[0], x[1], y[1]).at(x[2], y[2]);
  DrawTriangle out{};
  out.face = face;
  for (int k = 0; k < 3; ++k) {
    const int from = area < 0 ? (3 - k) % 3 : k;
    out.x[k] = x[from];
    out.y[k] = y[from];
    out.closeness[k] = 1 / corners[from]->place.z;
    for (int channel = 0; channel < 3; ++channel)
      out.colors[3 * k + channel] = static_cast<float>(corners[from]->color[channel]);
  }
  const auto least = [](const double* v) { return draw_min(draw_min(v[0], v[1]), v[2]); };
  const auto most = [](const double* v) { return draw_max(draw_max(v[0], v[1]), v[2]); };
  out.box = area == 0 ? DrawBox{1, 1, 0, 0} : draw_box(camera, least(x), least(y), most(x), most(y));
  return out;
}

struct Face {
  Corner corners[3];
  int ahead;  // how many corners are beyond `near`
  int alone;  // the corner that is alone on its side
};

Face face_of(const double* places, const float* colors, const DrawCamera& camera) {
  Face face{};
  bool beyond[3];
  for (int k = 0; k < 3; ++k) {
    const double* p = places + 3 * k;
    face.corners[k].place = draw_in_camera(camera, p[0], p[1], p[2]);
    for (int channel = 0; channel < 3 && colors; ++channel)
      face.corners[k].color[channel] = colors[3 * k + channel];
    beyond[k] = face.corners[k].place.z > camera.near;
    face.ahead += beyond[k];
  }
  for (int k = 0; k < 3; ++k)
    if (beyond[k] == (face.ahead == 1)) face.alone = k;
  return face;
}

int parts_of(const Face& face) { return face.ahead == 2 ? 2 : face.ahead > 0; }

// The parts beyond `near`, the corner that is alone first.
void write(const Face& face, const DrawCamera& camera, std::int32_t number, DrawTriangle* out) {
  const int k = face.ahead == 3 ? 0 : face.alone;
  const Corner &a = face.corners[k], &b = face.corners[(k + 1) % 3], &c = face.corners[(k + 2) % 3];
  if (face.ahead == 2) {
    const Corner ab = cut(a, b, camera.near), ca = cut(a, c, camera.near);
    out[0] = finished(ab, b, c, camera, number);
    out[1] = finished(ab, c, ca, camera, number);
  } else if (face.ahead > 0) {
    out[0] = finished(a, cut(b, a, camera.near), cut(c, a, camera.near), camera, number);
  }
}

struct Sides {
  Edge opposite[3];

  explicit Sides(const DrawTriangle& t)
      : opposite{{t.x[1], t.y[1], t.x[2], t.y[2]},
                 {t.x[2], t.y[2], t.x[0], t.y[0]},
                 {t.x[0], t.y[0], t.x[1], t.y[1]}} {}

  // Whether a window lies beyond one side, corners and all.
  bool miss(const DrawWindow& window) const {
    for (const Edge& edge : opposite) {
      const double x = edge.dy > 0 ? window.left + 0.5 : window.right - 0.5;
      const double y = edge.dx > 0 ? window.bottom - 0.5 : window.top + 0.5;
      if (edge.at(x, y) < 0) return true;
    }
    return false;
  }
};

void draw_triangle(const DrawTriangle& triangle, std::int32_t record, const DrawTile& tile,
                   DrawWinners& winners) {
  const DrawWindow window = draw_window(triangle.box, tile);
  const Sides sides(triangle);
  if (sides.miss(window)) return;
  const Edge* s = sides.opposite;
  const double* closeness = triangle.closeness;
  for (int y = window.top; y < window.bottom; ++y)
    for (int x = window.left; x < window.right; ++x) {
      const double a = s[0].at(x + 0.5, y + 0.5), b = s[1].at(x + 0.5, y + 0.5);
      const double c = s[2].at(x + 0.5, y + 0.5);
      if (s[0].has(a) && s[1].has(b) && s[2].has(c))
        winners.offer(x, y, (a + b + c) / (a * closeness[0] + b * closeness[1] + c * closeness[2]),
                      record);
    }
}

void paint_triangle(const DrawTriangle& triangle, int x, int y, float* rgb) {
  const Sides sides(triangle);
  double weights[3];
  for (int k = 0; k < 3; ++k)
    weights[k] = sides.opposite[k].at(x + 0.5, y + 0.5) * triangle.closeness[k];
  const double total = weights[0] + weights[1] + weights[2];
  for (int channel = 0; channel < 3; ++channel) {
    const float* c = triangle.colors + channel;
    rgb[channel] =
        static_cast<float>((weights[0] * c[0] + weights[1] * c[3] + weights[2] * c[6]) / total);
  }
}

}  // namespace

std::int64_t draw_count_triangles(const double* corners, std::int64_t begin, std::int64_t end,
                                  const DrawCamera& camera) {
  std::int64_t count = 0;
  for (std::int64_t i = begin; i < end; ++i)
    count += parts_of(face_of(corners + 9 * i, nullptr, camera));
  return count;
}

void draw_project_triangles(const double* corners, const float* colors, std::int64_t begin,
                            std::int64_t end, const DrawCamera& camera, DrawTriangle* out) {
  for (std::int64_t i = begin; i < end; ++i) {
    const Face face = face_of(corners + 9 * i, colors + 9 * i, camera);
    write(face, camera, static_cast<std::int32_t>(i), out);
    out += parts_of(face);
  }
}

void draw_triangle_tile(const DrawTriangle* records, const DrawTile& tile, std::int32_t first,
                        DrawImages images) {
  DrawWinners winners(tile, images);
  for (std::int64_t i = 0; i < tile.count; ++i)
    draw_triangle(records[tile.entries[i]], tile.entries[i], tile, winners);
  winners.resolve([&](std::int32_t record, int x, int y, float* rgb) {
    paint_triangle(records[record], x, y, rgb);
    return first + records[record].face;
  });
}

}  // namespace sparse3d::SPARSE3D_ISA
