"""Tests of the terminal app and the command line."""
