// Nearest neighbours of points and of queries, in both precisions; distances are never fused.
#include "kernels/knn.hpp"

#include <algorithm>
#include <utility>

#include "check/check.hpp"

namespace sparse3d::check {
namespace {

constexpr std::int64_t kCount = 101, kNeighbours = 6;
constexpr int kLevels = 3;  // leaves of 12 or 13 points

void search(const KnnTree<float>& tree, const float* query, std::int64_t excluded,
            float* distances, std::int64_t* indices) {
  SPARSE3D_PICK(knn_search_float)(tree, query, excluded, kNeighbours, distances, indices);
}

void search(const KnnTree<double>& tree, const double* query, std::int64_t excluded,
            double* distances, std::int64_t* indices) {
  SPARSE3D_PICK(knn_search_double)(tree, query, excluded, kNeighbours, distances, indices);
}

// Any order of the points makes a right tree: the boxes of its nodes are tight. Here they are
// sorted along x.
template <typename T>
class Tree {
 public:
  explicit Tree(const std::vector<T>& points) {
    for (std::int32_t i = 0; i < kCount; ++i) indices_.push_back(i);
    std::sort(indices_.begin(), indices_.end(), [&](std::int32_t a, std::int32_t b) {
      return std::make_pair(points[3 * at(a)], a) < std::make_pair(points[3 * at(b)], b);
    });
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (const std::int32_t i : indices_) axes_[axis].push_back(points[3 * at(i) + axis]);
      axes_[axis].resize(kCount + kLeafSize);
    }
    for (int level = 0; level <= kLevels; ++level)
      for (std::int64_t j = 0; j < std::int64_t{1} << level; ++j)
        nodes_.push_back(bound((j * kCount) >> level, ((j + 1) * kCount) >> level));
  }

  KnnTree<T> view() const {
    return {nodes_.data(), {axes_[0].data(), axes_[1].data(), axes_[2].data()}, indices_.data(),
            kCount, kLevels};
  }

 private:
  static std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }

  KnnNode<T> bound(std::int64_t begin, std::int64_t end) const {
    KnnNode<T> node;
    for (int axis = 0; axis < 3; ++axis) {
      const auto ends = std::minmax_element(axes_[axis].begin() + begin, axes_[axis].begin() + end);
      node.low[axis] = *ends.first;
      node.high[axis] = *ends.second;
    }
    node.lowest = *std::min_element(indices_.begin() + begin, indices_.begin() + end);
    return node;
  }

  std::vector<std::int32_t> indices_;
  std::vector<T> axes_[3];
  std::vector<KnnNode<T>> nodes_;
};

template <typename T>
void check_queries(const std::string& name, const Tree<T>& tree, const std::vector<T>& queries,
                   bool own) {
  const std::size_t rows = queries.size() / 3;
  std::vector<T> distances(rows * kNeighbours);
  std::vector<std::int64_t> indices(rows * kNeighbours);
  for (std::size_t row = 0; row < rows; ++row)
    search(tree.view(), &queries[3 * row], own ? static_cast<std::int64_t>(row) : -1,
           &distances[kNeighbours * row], &indices[kNeighbours * row]);
  exact(name + ".distances", distances);
  exact(name + ".indices", indices);
}

template <typename T>
void check_precision(const std::string& name) {
  Random random(6);
  const Floats values = random.many(3 * kCount, -2, 2), others = random.many(3 * 20, -3, 3);
  std::vector<T> points(values.begin(), values.end());
  std::copy_n(points.begin(), 9, points.begin() + 30);  // duplicates
  const Tree<T> tree(points);
  check_queries(name + ".own", tree, points, true);
  check_queries(name + ".queries", tree, std::vector<T>(others.begin(), others.end()), false);
}

}  // namespace

void check_knn() {
  check_precision<float>("knn.float");
  check_precision<double>("knn.double");
}

}  // namespace sparse3d::check
