// Search in a balanced k-d tree with boxes.
#pragma once

#include <cstdint>

#include "isa.hpp"

namespace sparse3d {

constexpr std::int64_t kLeafSize = 16;

template <typename T>
struct KnnNode {
  T low[3], high[3];    // tight box of the points below
  std::int32_t lowest;  // smallest index of a point below
};

// A complete binary tree in heap order; node j of level d holds the reordered points from
// (j * count) >> d to ((j + 1) * count) >> d. Coordinate arrays are longer than the count by
// kLeafSize, so that a leaf can be read as a whole.
template <typename T>
struct KnnTree {
  const KnnNode<T>* nodes;
  const T* coordinates[3];
  const std::int32_t* indices;  // into the points as given
  std::int64_t count;
  int levels;  // below the root; all leaves are on the last
};

// The k nearest points of a query by (squared distance, index), but for the point `excluded`
// (-1: none); there must be k of them. `distances` and `indices` hold k values each.
SPARSE3D_KERNEL(void knn_search_float(const KnnTree<float>& tree, const float* query,
                                std::int64_t excluded, std::int64_t k, float* distances,
                                std::int64_t* indices))
SPARSE3D_KERNEL(void knn_search_double(const KnnTree<double>& tree, const double* query,
                                std::int64_t excluded, std::int64_t k, double* distances,
                                std::int64_t* indices))

}  // namespace sparse3d
