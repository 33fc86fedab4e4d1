"""What the benchmarks of sparse convolution share: voxels and the peer."""
