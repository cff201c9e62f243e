"""The list of runs: the screen the app opens with."""
