// Exact nearest neighbours: a balanced k-d tree is built level by level and searched in parallel.
#include "kernels/knn.hpp"

#include <nanobind/stl/optional.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "bindings.hpp"
#include "tensor.hpp"

namespace sparse3d {
namespace {

template <typename T>
struct Point {
  T at[3];
  std::int32_t index;
};

template <typename T>
KnnNode<T> bound(const Point<T>* begin, const Point<T>* end) {
  KnnNode<T> node;
  std::copy_n(begin->at, 3, node.low);
  std::copy_n(begin->at, 3, node.high);
  node.lowest = begin->index;
  for (const Point<T>* point = begin + 1; point != end; ++point) {
    for (int axis = 0; axis < 3; ++axis) {
      node.low[axis] = std::min(node.low[axis], point->at[axis]);
      node.high[axis] = std::max(node.high[axis], point->at[axis]);
    }
    node.lowest = std::min(node.lowest, point->index);
  }
  return node;
}

// Moves the lower half along the longest side of the box to the front; equal ones by index.
template <typename T>
void halve(const KnnNode<T>& node, Point<T>* begin, Point<T>* middle, Point<T>* end) {
  int axis = 0;
  for (int other = 1; other < 3; ++other)
    if (node.high[other] - node.low[other] > node.high[axis] - node.low[axis]) axis = other;
  std::nth_element(begin, middle, end, [axis](const Point<T>& a, const Point<T>& b) {
    return a.at[axis] < b.at[axis] || (a.at[axis] == b.at[axis] && a.index < b.index);
  });
}

template <typename T>
class Tree {
 public:
  Tree(const T* points, std::int64_t count) : count_(count), points_(static_cast<size_t>(count)) {
    while ((count - 1) >> levels_ >= kLeafSize) ++levels_;
    for (std::int64_t i = 0; i < count; ++i)
      points_[static_cast<std::size_t>(i)] = {
          {points[3 * i], points[3 * i + 1], points[3 * i + 2]}, static_cast<std::int32_t>(i)};
    nodes_.resize((std::size_t{2} << levels_) - 1);
    for (int level = 0; level <= levels_; ++level) build_level(level);
    split_coordinates();
  }

  KnnTree<T> view() const {
    return {nodes_.data(), {axes_[0].data(), axes_[1].data(), axes_[2].data()},
            indices_.data(), count_, levels_};
  }

 private:
  void build_level(int level) {
    const std::int64_t width = std::int64_t{1} << level;
#pragma omp parallel for schedule(dynamic)
    for (std::int64_t j = 0; j < width; ++j) {
      Point<T>* begin = points_.data() + ((j * count_) >> level);
      Point<T>* end = points_.data() + (((j + 1) * count_) >> level);
      KnnNode<T>& node = nodes_[static_cast<std::size_t>(width - 1 + j)];
      node = bound<T>(begin, end);
      if (level < levels_)
        halve(node, begin, points_.data() + (((2 * j + 1) * count_) >> (level + 1)), end);
    }
  }

  void split_coordinates() {
    indices_.resize(points_.size());
    for (auto& axis : axes_) axis.resize(points_.size() + kLeafSize);
    for (std::size_t i = 0; i < points_.size(); ++i) {
      for (std::size_t axis = 0; axis < 3; ++axis) axes_[axis][i] = points_[i].at[axis];
      indices_[i] = points_[i].index;
    }
  }

  std::int64_t count_;
  int levels_ = 0;
  std::vector<Point<T>> points_;
  std::vector<KnnNode<T>> nodes_;
  std::vector<T> axes_[3];
  std::vector<std::int32_t> indices_;
};

template <typename T>
using Search = void (*)(const KnnTree<T>&, const T*, std::int64_t, std::int64_t, T*,
                        std::int64_t*);

Search<float> kernel(float) { return SPARSE3D_PICK(knn_search_float); }
Search<double> kernel(double) { return SPARSE3D_PICK(knn_search_double); }

// Every point searches for its neighbours, in the order of the leaves: near ones share the cache.
template <typename T>
void search_self(const KnnTree<T>& tree, const T* points, std::int64_t k, T* distances,
                 std::int64_t* indices) {
  const Search<T> search = kernel(T{});
#pragma omp parallel for schedule(dynamic, 256)
  for (std::int64_t i = 0; i < tree.count; ++i) {
    const std::int64_t row = tree.indices[i];
    search(tree, points + 3 * row, row, k, distances + row * k, indices + row * k);
  }
}

template <typename T>
void search_queries(const KnnTree<T>& tree, const T* queries, std::int64_t count, std::int64_t k,
                    T* distances, std::int64_t* indices) {
  const Search<T> search = kernel(T{});
#pragma omp parallel for schedule(dynamic, 256)
  for (std::int64_t row = 0; row < count; ++row)
    search(tree, queries + 3 * row, -1, k, distances + row * k, indices + row * k);
}

template <typename T>
void knn(const Tensor<const T, 2>& points, const std::optional<Tensor<const T, 2>>& queries,
         const Tensor<T, 2>& distances, const Tensor<std::int64_t, 2>& indices) {
  const auto count = static_cast<std::int64_t>(points.shape(0));
  const auto rows = queries ? static_cast<std::int64_t>(queries->shape(0)) : count;
  const auto k = static_cast<std::int64_t>(distances.shape(1));
  const std::int64_t candidates = queries ? count : count - 1;
  expect_extent(points, 1, 3, "points");
  if (queries) expect_extent(*queries, 1, 3, "queries");
  expect_extent(distances, 0, rows, "distances");
  expect_extent(indices, 0, rows, "indices");
  expect_extent(indices, 1, k, "indices");
  if (k < 1 || k > candidates || count > std::numeric_limits<std::int32_t>::max())
    throw std::invalid_argument("k must be between 1 and the number of candidates, and points fewer"
                                " than 2^31");
  const Tree<T> tree(points.data(), count);
  if (queries)
    search_queries(tree.view(), queries->data(), rows, k, distances.data(), indices.data());
  else
    search_self(tree.view(), points.data(), k, distances.data(), indices.data());
}

template <typename T>
void define(nanobind::module_& module) {
  using nanobind::arg;
  module.def("knn", &knn<T>, arg("points"), arg("queries").none(), arg("distances").noconvert(),
             arg("indices").noconvert(), nanobind::call_guard<nanobind::gil_scoped_release>(),
             "Writes squared distances and indices of the nearest points, as many as the outputs"
             " have columns; without queries each point searches, itself excluded.");
}

}  // namespace

void bind_knn(nanobind::module_& module) {
  define<float>(module);
  define<double>(module);
}

}  // namespace sparse3d
