"""Streets with cars, people and clutter, seen by a spinning LiDAR and a camera."""
