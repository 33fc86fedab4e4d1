#include "sparse/sets.hpp"

#include <limits>
#include <numeric>
#include <stdexcept>

namespace sparse3d {
namespace {

constexpr std::int64_t kMostBatches = std::int64_t{1} << 14;
constexpr std::int64_t kMostCells = std::int64_t{1} << kAxisBits;  // along an axis

void check(const WindowAxes& axes, std::int64_t count, std::int64_t batch_size,
           std::int64_t size) {
  for (const WindowAxis& axis : axes)
    if (axis.cells < 1 || axis.cells > kMostCells || axis.edge < 1 || axis.edge > kMostCells ||
        axis.shift < 0 || axis.shift >= axis.edge)
      throw std::invalid_argument("1 to 65536 cells and a shift of less than a window expected");
  if (batch_size < 0 || batch_size > kMostBatches || size < 1)
    throw std::invalid_argument("at most 16384 grids and sets of at least 1 place expected");
  if (count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("at most 2^31 - 1 cells expected");
}

int bits_of(std::uint64_t numbers) {
  int bits = 1;
  while (bits < 64 && (numbers - 1) >> bits != 0) ++bits;
  return bits;
}

std::uint64_t windows_of(const WindowAxes& axes, std::int64_t batch_size) {
  std::int64_t windows = std::max<std::int64_t>(1, batch_size);
  for (const WindowAxis& axis : axes) windows *= axis.windows();
  return static_cast<std::uint64_t>(windows);
}

std::uint64_t places_of(const WindowAxes& axes) {
  return static_cast<std::uint64_t>(axes[0].edge * axes[1].edge * axes[2].edge);
}

}  // namespace

SetList::SetList(const std::int64_t* keys, std::int64_t count, const WindowAxes& axes,
                 std::int64_t batch_size, std::int64_t size, bool by_y, std::int64_t* places)
    : axes_(axes), batch_size_(batch_size), size_(size), by_y_(by_y) {
  check(axes, count, batch_size, size);
  bool inside = true;
#pragma omp parallel for schedule(static) reduction(&& : inside)
  for (std::int64_t row = 0; row < count; ++row) {
    const Cell cell = decode(keys[row]);
    inside = inside && keys[row] >= 0 && cell.batch < batch_size && cell.x < axes[0].cells &&
             cell.y < axes[1].cells && cell.z < axes[2].cells;
    const WindowPlace at = find(keys[row]);
    std::copy(at.place.begin(), at.place.end(), places + 3 * row);
  }
  if (!inside) throw std::invalid_argument("keys must be those of cells within the shape");
  order_.resize(static_cast<std::size_t>(count));
  std::iota(order_.begin(), order_.end(), Row{0});
  sort(keys);
}

WindowPlace SetList::find(std::int64_t key) const {
  const Cell cell = decode(key);
  const std::uint32_t moved[] = {static_cast<std::uint32_t>(cell.x + axes_[0].shift),
                                 static_cast<std::uint32_t>(cell.y + axes_[1].shift),
                                 static_cast<std::uint32_t>(cell.z + axes_[2].shift)};
  WindowPlace at{static_cast<std::uint64_t>(cell.batch), {}};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto edge = static_cast<std::uint32_t>(axes_[i].edge);
    at.window = at.window * static_cast<std::uint64_t>(axes_[i].windows()) + moved[i] / edge;
    at.place[i] = moved[i] % edge;
  }
  return at;
}

std::uint64_t SetList::place_number(const WindowPlace& at) const {
  const std::size_t first = by_y_ ? 1 : 0, second = 1 - first;
  return static_cast<std::uint64_t>(
      (at.place[first] * axes_[second].edge + at.place[second]) * axes_[2].edge + at.place[2]);
}

// At once if a number of 64 bits is enough, else by place, then by window: stably.
void SetList::sort(const std::int64_t* keys) {
  const std::uint64_t windows = windows_of(axes_, batch_size_), places = places_of(axes_);
  if (windows <= std::numeric_limits<std::uint64_t>::max() / places) {
    const auto by_both = [&](Row row) {
      const WindowPlace at = find(keys[row]);
      return at.window * places + place_number(at);
    };
    find_windows(sort_by(windows * places, by_both), places);
  } else {
    sort_by(places, [&](Row row) { return place_number(find(keys[row])); });
    find_windows(sort_by(windows, [&](Row row) { return find(keys[row]).window; }), 1);
  }
}

template <typename Number>
Buffer<SetList::Item> SetList::sort_by(std::uint64_t numbers, Number number) {
  const auto count = static_cast<std::int64_t>(order_.size());
  Buffer<Item> items(count);
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    const Row row = order_[static_cast<std::size_t>(i)];
    items[i] = {number(row), row};
  }
  const auto digits = [](const Item& item) { return item.number; };
  Sorted<Item> sorted = RadixSort<Item, decltype(digits)>(
      std::move(items), parts_of({0, count}), bits_of(numbers), digits).result();
#pragma omp parallel for schedule(static)
  for (std::int64_t i = 0; i < count; ++i)
    order_[static_cast<std::size_t>(i)] = sorted.items[i].row;
  return std::move(sorted.items);
}

void SetList::find_windows(const Buffer<Item>& items, std::uint64_t numbers) {
  const auto count = static_cast<std::int64_t>(order_.size());
  const std::vector<Range> parts = parts_of({0, count});
  std::vector<std::vector<std::int64_t>> found(parts.size());
  const auto end_of = [&](std::int64_t i) { return (items[i].number / numbers + 1) * numbers; };
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < static_cast<std::int64_t>(parts.size()); ++part) {
    const Range range = parts[static_cast<std::size_t>(part)];
    std::uint64_t end = range.begin > 0 ? end_of(range.begin - 1) : 0;  // of the last window
    for (std::int64_t i = range.begin; i < range.end; ++i)
      if (items[i].number >= end) {
        found[static_cast<std::size_t>(part)].push_back(i);
        end = end_of(i);
      }
  }
  for (const std::vector<std::int64_t>& own : found)
    starts_.insert(starts_.end(), own.begin(), own.end());
  starts_.push_back(count);
  first_sets_.push_back(0);
  for (std::size_t window = 1; window < starts_.size(); ++window) {
    const std::int64_t cells = starts_[window] - starts_[window - 1];
    first_sets_.push_back(first_sets_.back() + (cells - 1) / size_ + 1);
  }
}

void SetList::write(std::int64_t* rows, std::uint8_t* padding) const {
#pragma omp parallel for schedule(dynamic, 16)
  for (std::int64_t window = 0; window < static_cast<std::int64_t>(starts_.size()) - 1; ++window)
    write_window(window, rows, padding);
}

// Place p of all those of the window holds the cell of rank p cells / places, rounded down.
void SetList::write_window(std::int64_t window, std::int64_t* rows, std::uint8_t* padding) const {
  const auto at = static_cast<std::size_t>(window);
  const std::int64_t cells = starts_[at + 1] - starts_[at];
  const std::int64_t begin = first_sets_[at] * size_, end = first_sets_[at + 1] * size_;
  const Row* cell = order_.data() + starts_[at];
  std::int64_t rest = 0, in_set = 0;
  bool moved = true;
  for (std::int64_t p = begin; p < end; ++p) {
    rows[p] = *cell;
    padding[p] = in_set > 0 && !moved;
    if (++in_set == size_) in_set = 0;
    rest += cells;
    moved = rest >= end - begin;
    if (moved) rest -= end - begin;
    cell += moved ? 1 : 0;
  }
}

}  // namespace sparse3d
