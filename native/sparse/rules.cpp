#include "sparse/rules.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <stdexcept>

#include "kernels/rulebook.hpp"
#include "sparse/morton.hpp"

namespace sparse3d {
namespace {

constexpr std::int64_t kBlocksAPart = 512;
constexpr std::int64_t kOutputsAPart = 4096;
constexpr std::int32_t kAxisEnd = 1 << kAxisBits;

std::int64_t parts_of(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

// Turns the counts of parts, [parts, offsets], into places.
RuleCounts lay_out(std::vector<std::int64_t> counts, std::size_t offsets) {
  RuleCounts result{std::vector<std::int64_t>(offsets, 0), std::move(counts)};
  std::int64_t next = 0;
  for (std::size_t k = 0; k < offsets; ++k)
    for (std::size_t cell = k; cell < result.places.size(); cell += offsets) {
      const std::int64_t count = result.places[cell];
      result.places[cell] = next;
      next += count;
      result.totals[k] += count;
    }
  return result;
}

int block_code(int dx, int dy, int dz) { return 9 * (dx + 1) + 3 * (dy + 1) + dz + 1; }

// -1, 0 or 1: to which block along an axis a place in [-4, 8) belongs.
int side(int place) { return (place + kBlockEdge) / kBlockEdge - 1; }

OffsetSteps steps_of(const Triple& offset) {
  OffsetSteps steps{};
  for (int cell = 0; cell < kCellsABlock; ++cell) {
    const Cell at = decode(cell);
    const int x = at.x + offset.x, y = at.y + offset.y, z = at.z + offset.z;
    const Cell to = {0, x & (kBlockEdge - 1), y & (kBlockEdge - 1), z & (kBlockEdge - 1)};
    steps.block[cell] = static_cast<std::uint8_t>(block_code(side(x), side(y), side(z)));
    steps.cell[cell] = static_cast<std::uint8_t>(encode(to));
  }
  return steps;
}

std::vector<OffsetSteps> all_steps(const std::vector<Triple>& offsets) {
  std::vector<OffsetSteps> steps;
  for (const Triple& offset : offsets) {
    for (std::int32_t reach : {offset.x, offset.y, offset.z})
      if (reach < -kBlockEdge || reach > kBlockEdge)
        throw std::invalid_argument("offsets must reach at most 4 cells");
    steps.push_back(steps_of(offset));
  }
  return steps;
}

BlocksAround around(const Blocks& blocks, std::int64_t row) {
  BlocksAround found{};
  // Keys of blocks are keys of cells of a grid that is coarser by kBlockEdge.
  constexpr int kBatchShift = 3 * kAxisBits - kBlockShift;
  const std::int64_t key = blocks.block(row), batch = key >> kBatchShift;
  const Cell at = decode(key & ((std::int64_t{1} << kBatchShift) - 1));
  constexpr std::int32_t kEnd = kAxisEnd / kBlockEdge;
  for (int dx = -1; dx <= 1; ++dx)
    for (int dy = -1; dy <= 1; ++dy)
      for (int dz = -1; dz <= 1; ++dz) {
        const Cell to = {0, at.x + dx, at.y + dy, at.z + dz};
        const bool inside = to.x >= 0 && to.y >= 0 && to.z >= 0 && to.x < kEnd && to.y < kEnd &&
                            to.z < kEnd;
        found.rows[block_code(dx, dy, dz)] =
            inside ? blocks.find(batch << kBatchShift | encode(to)) : -1;
      }
  return found;
}

std::vector<BlocksAround> all_around(const Blocks& blocks) {
  std::vector<BlocksAround> found(static_cast<std::size_t>(blocks.size()));
#pragma omp parallel for schedule(static)
  for (std::int64_t row = 0; row < blocks.size(); ++row)
    found[static_cast<std::size_t>(row)] = around(blocks, row);
  return found;
}

// Coordinates along one axis of the outputs that read an input.
std::vector<std::int32_t> readers(std::int32_t input, const std::vector<std::int32_t>& reach,
                                  std::int32_t stride, std::int32_t extent) {
  std::vector<std::int32_t> outputs;
  for (std::int32_t offset : reach) {
    const std::int32_t touched = input - offset;
    if (touched >= 0 && touched % stride == 0 && touched / stride < extent)
      outputs.push_back(touched / stride);
  }
  return outputs;
}

// Distinct offsets along each axis; kernels are boxes.
std::array<std::vector<std::int32_t>, 3> reaches(const std::vector<Triple>& offsets) {
  std::array<std::vector<std::int32_t>, 3> axes;
  for (const Triple& offset : offsets) {
    const std::int32_t each[] = {offset.x, offset.y, offset.z};
    for (std::size_t axis = 0; axis < 3; ++axis)
      if (std::find(axes[axis].begin(), axes[axis].end(), each[axis]) == axes[axis].end())
        axes[axis].push_back(each[axis]);
  }
  return axes;
}

std::vector<std::int64_t> output_keys(const std::int64_t* keys, std::int64_t count,
                                      const std::vector<Triple>& offsets, Triple stride,
                                      Triple shape) {
  CellSet outputs(count / 4);
  const auto axes = reaches(offsets);
  for (std::int64_t row = 0; row < count; ++row) {
    const Cell at = decode(keys[row]);
    const auto ys = readers(at.y, axes[1], stride.y, shape.y);
    const auto zs = readers(at.z, axes[2], stride.z, shape.z);
    for (std::int32_t x : readers(at.x, axes[0], stride.x, shape.x))
      for (std::int32_t y : ys)
        for (std::int32_t z : zs) outputs.add(encode({at.batch, x, y, z}));
  }
  return outputs.sorted_keys();
}

}  // namespace

SameCells::SameCells(const std::int64_t* keys, std::int64_t count,
                     const std::vector<Triple>& offsets)
    : blocks_(keys, count), offsets_(offsets) {
  const std::vector<OffsetSteps> steps = all_steps(offsets_);
  const std::vector<BlocksAround> near = all_around(blocks_);
  const BlockCells cells{blocks_.masks(), blocks_.first(), near.data()};
  const std::int64_t parts = parts_of(blocks_.size(), kBlocksAPart);
  const std::size_t width = steps.size();
  std::vector<std::int64_t> counts(static_cast<std::size_t>(parts) * width, 0);
  const auto count_part = SPARSE3D_PICK(count_neighbours);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < parts; ++part)
    count_part(cells, steps.data(), static_cast<int>(width), part * kBlocksAPart,
               std::min(blocks_.size(), (part + 1) * kBlocksAPart),
               counts.data() + static_cast<std::size_t>(part) * width);
  counts_ = lay_out(std::move(counts), width);
}

void SameCells::write(std::int32_t* sources, std::int32_t* targets) const {
  const std::vector<OffsetSteps> steps = all_steps(offsets_);
  const std::vector<BlocksAround> near = all_around(blocks_);
  const BlockCells cells{blocks_.masks(), blocks_.first(), near.data()};
  const std::size_t width = steps.size();
  const auto list_part = SPARSE3D_PICK(list_neighbours);
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < parts_of(blocks_.size(), kBlocksAPart); ++part) {
    const auto begin = counts_.places.begin() + part * static_cast<std::int64_t>(width);
    std::vector<std::int64_t> places(begin, begin + static_cast<std::int64_t>(width));
    list_part(cells, steps.data(), static_cast<int>(width), part * kBlocksAPart,
              std::min(blocks_.size(), (part + 1) * kBlocksAPart), places.data(), sources,
              targets);
  }
}

StridedCells::StridedCells(const std::int64_t* keys, std::int64_t count,
                           const std::vector<Triple>& offsets, Triple stride, Triple shape)
    : blocks_(keys, count), offsets_(offsets), stride_(stride) {
  if (stride.x < 1 || stride.y < 1 || stride.z < 1)
    throw std::invalid_argument("strides must be positive");
  outputs_ = output_keys(keys, count, offsets_, stride, shape);
  if (outputs_.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::invalid_argument("at most 2^31 - 1 outputs expected");
  const auto total = static_cast<std::int64_t>(outputs_.size());
  parts_.resize(static_cast<std::size_t>(parts_of(total, kOutputsAPart)));
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t part = 0; part < parts_of(total, kOutputsAPart); ++part)
    parts_[static_cast<std::size_t>(part)] =
        find(part * kOutputsAPart, std::min(total, (part + 1) * kOutputsAPart));
  std::vector<std::int64_t> counts;
  for (const Part& part : parts_)
    for (const auto& pairs : part.sources)
      counts.push_back(static_cast<std::int64_t>(pairs.size()));
  counts_ = lay_out(std::move(counts), offsets_.size());
}

StridedCells::Part StridedCells::find(std::int64_t begin, std::int64_t end) const {
  Part part;
  part.sources.resize(offsets_.size());
  part.targets.resize(offsets_.size());
  for (std::int64_t row = begin; row < end; ++row) {
    const Cell out = decode(outputs_[static_cast<std::size_t>(row)]);
    for (std::size_t k = 0; k < offsets_.size(); ++k) {
      const Cell in = {out.batch, out.x * stride_.x + offsets_[k].x,
                       out.y * stride_.y + offsets_[k].y, out.z * stride_.z + offsets_[k].z};
      if (in.x < 0 || in.y < 0 || in.z < 0 || in.x >= kAxisEnd || in.y >= kAxisEnd ||
          in.z >= kAxisEnd)
        continue;
      const std::int32_t source = blocks_.find_cell(encode(in));
      if (source < 0) continue;
      part.sources[k].push_back(source);
      part.targets[k].push_back(static_cast<std::int32_t>(row));
    }
  }
  return part;
}

void StridedCells::write(std::int32_t* sources, std::int32_t* targets) const {
  for (std::size_t part = 0; part < parts_.size(); ++part)
    for (std::size_t k = 0; k < offsets_.size(); ++k) {
      const std::int64_t place = counts_.places[part * offsets_.size() + k];
      std::copy(parts_[part].sources[k].begin(), parts_[part].sources[k].end(), sources + place);
      std::copy(parts_[part].targets[k].begin(), parts_[part].targets[k].end(), targets + place);
    }
}

}  // namespace sparse3d
