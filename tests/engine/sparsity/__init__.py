"""Tests of engine.sparsity."""
