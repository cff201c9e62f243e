"""Tests of the `itop` command."""
