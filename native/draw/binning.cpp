#include "draw/binning.hpp"

#include <algorithm>

namespace sparse3d {
namespace {

// Records are cut into parts; each part counts and fills on its own, and the starts make the parts
// follow each other within every tile.
constexpr std::int64_t kRecordsAPart = 8192;
constexpr std::int64_t kMostParts = 32;

class Boxes {
 public:
  Boxes(const DrawBox* first, std::int64_t stride, std::int64_t count, int columns)
      : first_(reinterpret_cast<const char*>(first)), stride_(stride), count_(count),
        columns_(columns), parts_(std::clamp<std::int64_t>(count / kRecordsAPart, 1, kMostParts)) {}

  std::int64_t parts() const { return parts_; }

  // Calls visit(record, tile) for all records of a part, in their order.
  template <typename Visit>
  void for_each_tile(std::int64_t part, Visit visit) const {
    const std::int64_t end = count_ * (part + 1) / parts_;
    for (std::int64_t i = count_ * part / parts_; i < end; ++i) {
      const DrawBox& box = *reinterpret_cast<const DrawBox*>(first_ + i * stride_);
      if (box.left > box.right) continue;
      for (int row = box.top / kDrawTile; row <= box.bottom / kDrawTile; ++row)
        for (int column = box.left / kDrawTile; column <= box.right / kDrawTile; ++column)
          visit(static_cast<std::int32_t>(i), row * columns_ + column);
    }
  }

 private:
  const char* first_;
  std::int64_t stride_, count_;
  int columns_;
  std::int64_t parts_;
};

// Turns counts [part, tile] into the place of the first entry of each part in each tile.
void lay_out(std::vector<std::int64_t>& counts, std::int64_t parts, DrawLists& lists) {
  const std::int64_t tiles = static_cast<std::int64_t>(lists.starts.size()) - 1;
  std::int64_t next = 0;
  for (std::int64_t tile = 0; tile < tiles; ++tile) {
    lists.starts[static_cast<std::size_t>(tile)] = next;
    for (std::int64_t part = 0; part < parts; ++part) {
      std::int64_t& cell = counts[static_cast<std::size_t>(part * tiles + tile)];
      const std::int64_t count = cell;
      cell = next;
      next += count;
    }
  }
  lists.starts[static_cast<std::size_t>(tiles)] = next;
  lists.entries = Buffer<std::int32_t>(next);
}

}  // namespace

DrawTile DrawLists::tile(std::int64_t number, int width, int height) const {
  const std::int64_t begin = starts[static_cast<std::size_t>(number)];
  const std::int64_t end = starts[static_cast<std::size_t>(number) + 1];
  const int left = static_cast<int>(number % columns) * kDrawTile;
  const int top = static_cast<int>(number / columns) * kDrawTile;
  return {entries.data() + begin, end - begin, left, top, std::min(left + kDrawTile, width),
          std::min(top + kDrawTile, height)};
}

DrawLists list_boxes(const DrawBox* boxes, std::int64_t stride, std::int64_t count, int width,
                     int height) {
  DrawLists lists{(width + kDrawTile - 1) / kDrawTile, (height + kDrawTile - 1) / kDrawTile, {}, {}};
  const std::int64_t tiles = std::int64_t{lists.columns} * lists.rows;
  lists.starts.resize(static_cast<std::size_t>(tiles) + 1);
  const Boxes records(boxes, stride, count, lists.columns);
  std::vector<std::int64_t> cells(static_cast<std::size_t>(records.parts() * tiles), 0);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < records.parts(); ++part) {
    std::int64_t* counts = cells.data() + part * tiles;
    records.for_each_tile(part, [&](std::int32_t, int tile) { ++counts[tile]; });
  }
  lay_out(cells, records.parts(), lists);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < records.parts(); ++part) {
    std::int64_t* next = cells.data() + part * tiles;
    records.for_each_tile(part, [&](std::int32_t record, int tile) {
      lists.entries[next[tile]++] = record;
    });
  }
  return lists;
}

}  // namespace sparse3d
