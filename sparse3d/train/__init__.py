"""Training: the Task protocol, our own loop, run folders, and the nerfstudio adapter."""
