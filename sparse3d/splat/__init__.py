"""Few-view Gaussian splatting: protocols, initialisation, densification, metrics, and the Task."""
