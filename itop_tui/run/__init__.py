"""The screen of one run: charts, layers, configuration, checkpoints and log."""
