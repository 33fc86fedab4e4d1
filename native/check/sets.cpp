// Sets of the cells of windows, sorted at once and, where numbers need more than 64 bits, twice.
#include "check/check.hpp"
#include "sparse/sets.hpp"

namespace sparse3d::check {
namespace {

constexpr std::int64_t kAxisCells = std::int64_t{1} << kAxisBits;

void check_list(const std::string& name, const std::vector<std::int64_t>& keys,
                const WindowAxes& axes, std::int64_t batch_size, std::int64_t size) {
  for (const bool by_y : {false, true}) {
    std::vector<std::int64_t> places(3 * keys.size());
    const SetList list(keys.data(), static_cast<std::int64_t>(keys.size()), axes, batch_size, size,
                       by_y, places.data());
    const auto all = static_cast<std::size_t>(list.sets() * size);
    std::vector<std::int64_t> rows(all);
    std::vector<std::uint8_t> padding(all);
    list.write(rows.data(), padding.data());
    const std::string at = name + (by_y ? ".y" : ".x");
    exact(at + ".rows", rows);
    exact(at + ".padding", padding);
    exact(at + ".places", places);
  }
}

}  // namespace

void check_sets() {
  Random random(13);
  std::vector<std::int64_t> keys;
  for (int i = 0; i < 250; ++i)
    keys.push_back(encode({random.below(3), random.below(11), random.below(7), random.below(9)}));
  check_list("sets", keys, {{{11, 4, 1}, {7, 3, 0}, {9, 2, 1}}}, 3, 5);
  check_list("sets.one", keys, {{{11, 1, 0}, {7, 1, 0}, {9, 1, 0}}}, 3, 2);
  const WindowAxis large{kAxisCells, kAxisCells, kAxisCells - 7};
  check_list("sets.large", keys, {{large, large, large}}, 16384, 7);
  check_list("sets.empty", {}, {{{11, 4, 1}, {7, 3, 0}, {9, 2, 1}}}, 0, 5);
}

}  // namespace sparse3d::check
