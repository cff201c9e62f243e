"""The tests mirror the three packages; `end_to_end` drives the whole program, `benchmarks` measures it."""
