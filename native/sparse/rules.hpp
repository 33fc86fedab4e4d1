// Rulebooks: which occupied cells an output of a sparse convolution reads.
#pragma once

#include <cstdint>
#include <vector>

#include "sparse/blocks.hpp"

namespace sparse3d {

struct Triple {
  std::int32_t x, y, z;
};

// Pairs of the offsets, one offset after the other, each in the order of the outputs.
struct RuleCounts {
  std::vector<std::int64_t> totals;  // of each offset
  std::vector<std::int64_t> places;  // [parts, offsets]: where a part writes its first pair
};

// Outputs where inputs are. Offsets reach at most kBlockEdge cells.
class SameCells {
 public:
  SameCells(const std::int64_t* keys, std::int64_t count, const std::vector<Triple>& offsets);
  const std::vector<std::int64_t>& totals() const { return counts_.totals; }
  void write(std::int32_t* sources, std::int32_t* targets) const;

 private:
  Blocks blocks_;
  std::vector<Triple> offsets_;
  RuleCounts counts_;
};

// An output o reads o * stride + offset; outputs are all cells of the shape that read an input.
class StridedCells {
 public:
  StridedCells(const std::int64_t* keys, std::int64_t count, const std::vector<Triple>& offsets,
               Triple stride, Triple shape);
  const std::vector<std::int64_t>& outputs() const { return outputs_; }
  const std::vector<std::int64_t>& totals() const { return counts_.totals; }
  void write(std::int32_t* sources, std::int32_t* targets) const;

 private:
  struct Part {
    std::vector<std::vector<std::int32_t>> sources, targets;  // of each offset
  };

  Part find(std::int64_t begin, std::int64_t end) const;

  Blocks blocks_;
  std::vector<Triple> offsets_;
  Triple stride_;
  std::vector<std::int64_t> outputs_;
  std::vector<Part> parts_;
  RuleCounts counts_;
};

}  // namespace sparse3d
