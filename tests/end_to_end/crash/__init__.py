"""Tests: real runs in a storm of kill -9."""
