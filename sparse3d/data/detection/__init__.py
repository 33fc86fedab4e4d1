"""What detectors train on: split frames, class maps, cropped samples, augmentation."""
