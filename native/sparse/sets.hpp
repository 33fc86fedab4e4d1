// Windows of cells, and sets of equal size in them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "sparse/morton.hpp"
#include "sparse/sort.hpp"

namespace sparse3d {

// Windows along an axis.
struct WindowAxis {
  std::int64_t cells;  // that there may be
  std::int64_t edge;   // cells of a window
  std::int64_t shift;  // by which cells are moved, less than an edge

  std::int64_t windows() const { return (cells - 1 + shift) / edge + 1; }
};

using WindowAxes = std::array<WindowAxis, 3>;

// Where a cell is: its window's number, in the order of batch, x, y, z, and its place in there.
struct WindowPlace {
  std::uint64_t window;
  std::array<std::int64_t, 3> place;
};

// The cells of each window, in the order of their places, dealt out evenly to the fewest sets.
class SetList {
 public:
  // Of any keys; writes their places, [count, 3]. Throws if a cell is outside its axes or the
  // batch, or axes, batch or size are out of range.
  SetList(const std::int64_t* keys, std::int64_t count, const WindowAxes& axes,
          std::int64_t batch_size, std::int64_t size, bool by_y, std::int64_t* places);

  std::int64_t sets() const { return first_sets_.back(); }
  std::int64_t size() const { return size_; }

  // Rows of the cells of each set, and whether they repeat the one before: [sets, size].
  void write(std::int64_t* rows, std::uint8_t* padding) const;

 private:
  using Row = std::uint32_t;

  struct Item {
    std::uint64_t number;
    Row row;
  };

  WindowPlace find(std::int64_t key) const;
  std::uint64_t place_number(const WindowPlace& at) const;
  void sort(const std::int64_t* keys);
  // Stably sorts the rows, which have so many numbers at most.
  template <typename Number>
  Buffer<Item> sort_by(std::uint64_t numbers, Number number);
  // Windows have so many numbers each.
  void find_windows(const Buffer<Item>& items, std::uint64_t numbers);
  void write_window(std::int64_t window, std::int64_t* rows, std::uint8_t* padding) const;

  WindowAxes axes_;
  std::int64_t batch_size_, size_;
  bool by_y_;
  std::vector<Row> order_;                // rows, window by window
  std::vector<std::int64_t> starts_;      // of each window, among these; their number at the end
  std::vector<std::int64_t> first_sets_;  // of each window; their number at the end
};

}  // namespace sparse3d
