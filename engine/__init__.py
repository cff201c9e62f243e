"""Everything that trains: configuration, sparsity, models, data, training, and launching in the background."""
