"""What point segmentation trains on: class maps, split frames, samples, augmentation."""
