"""What is trained: architectures, tasks, the network around them and its training."""
