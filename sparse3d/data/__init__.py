"""Data sets for training and testing: splits, sampling, augmentation, and the simulator."""
