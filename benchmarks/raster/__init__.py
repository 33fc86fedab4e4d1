"""What the benchmarks of the rasteriser share: scenes, trainings, counts of pairs, the peer."""
