#include "kernels/knn.hpp"

namespace sparse3d::SPARSE3D_ISA {
namespace {

// The best candidates so far, sorted by (distance, index).
template <typename T>
struct Candidates {
  T* distances;
  std::int64_t* indices;
  std::int64_t last;

  void clear() {
    for (std::int64_t i = 0; i <= last; ++i) {
      distances[i] = static_cast<T>(__builtin_inf());
      indices[i] = INT64_MAX;
    }
  }

  bool would_take(T distance, std::int64_t index) const {
    return distance < distances[last] || (distance == distances[last] && index < indices[last]);
  }

  void take(T distance, std::int64_t index) {
    std::int64_t i = last;
    for (; i > 0; --i) {
      const T before = distances[i - 1];
      if (before < distance || (before == distance && indices[i - 1] < index)) break;
      distances[i] = before;
      indices[i] = indices[i - 1];
    }
    distances[i] = distance;
    indices[i] = index;
  }
};

// The squared distance to the box, rounded like one to a point: never above that of a point inside.
template <typename T>
T box_distance(const KnnNode<T>& node, const T* query) {
  T square[3];
  for (int axis = 0; axis < 3; ++axis) {
    const T below = node.low[axis] - query[axis], above = query[axis] - node.high[axis];
    const T outside = below > above ? below : above;
    square[axis] = outside > 0 ? outside * outside : T(0);
  }
  return square[0] + square[1] + square[2];
}

template <typename T>
void scan_leaf(const KnnTree<T>& tree, std::int64_t leaf, const T* query, std::int64_t excluded,
               Candidates<T>& best) {
  const std::int64_t begin = (leaf * tree.count) >> tree.levels;
  const std::int64_t size = (((leaf + 1) * tree.count) >> tree.levels) - begin;
  const T *x = tree.coordinates[0] + begin, *y = tree.coordinates[1] + begin;
  const T* z = tree.coordinates[2] + begin;
  T distances[kLeafSize];
#pragma omp simd
  for (std::int64_t i = 0; i < kLeafSize; ++i) {
    const T dx = query[0] - x[i], dy = query[1] - y[i], dz = query[2] - z[i];
    distances[i] = dx * dx + dy * dy + dz * dz;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t index = tree.indices[begin + i];
    if (best.would_take(distances[i], index) && index != excluded) best.take(distances[i], index);
  }
}

template <typename T>
struct Pending {
  std::int64_t node;
  T distance;
};

template <typename T>
void search(const KnnTree<T>& tree, const T* query, std::int64_t excluded, Candidates<T> best) {
  const std::int64_t first_leaf = (std::int64_t{1} << tree.levels) - 1;
  Pending<T> stack[64];
  int depth = 0;
  stack[depth++] = {0, box_distance(tree.nodes[0], query)};
  best.clear();
  while (depth > 0) {
    const Pending<T> top = stack[--depth];
    if (!best.would_take(top.distance, tree.nodes[top.node].lowest)) continue;
    if (top.node >= first_leaf) {
      scan_leaf(tree, top.node - first_leaf, query, excluded, best);
      continue;
    }
    const std::int64_t child = 2 * top.node + 1;
    const Pending<T> left{child, box_distance(tree.nodes[child], query)};
    const Pending<T> right{child + 1, box_distance(tree.nodes[child + 1], query)};
    const bool right_first =
        right.distance < left.distance ||
        (right.distance == left.distance &&
         tree.nodes[right.node].lowest < tree.nodes[left.node].lowest);
    stack[depth++] = right_first ? left : right;
    stack[depth++] = right_first ? right : left;
  }
}

}  // namespace

void knn_search_float(const KnnTree<float>& tree, const float* query, std::int64_t excluded,
                std::int64_t k, float* distances, std::int64_t* indices) {
  search(tree, query, excluded, Candidates<float>{distances, indices, k - 1});
}

void knn_search_double(const KnnTree<double>& tree, const double* query, std::int64_t excluded,
                std::int64_t k, double* distances, std::int64_t* indices) {
  search(tree, query, excluded, Candidates<double>{distances, indices, k - 1});
}

}  // namespace sparse3d::SPARSE3D_ISA
