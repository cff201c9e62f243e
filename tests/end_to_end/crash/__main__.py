"""Kill at random, and print what was done: ``python -m tests.end_to_end.crash --kills 1000 --seed 1``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.end_to_end.crash.moving_storm import moving_storm
from tests.end_to_end.crash.storm import storm


def main() -> None:
    """Kill at random, and print what was done."""
    parser = argparse.ArgumentParser(description="Kill real runs at random and see that nothing is lost.")
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--places", action="store_true", help="copy and move the home too, and rename the machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        one = moving_storm if options.places else storm
        report = one(Path(folder), kills=options.kills, seed=options.seed, epochs=options.epochs)
        print(f"{report}; {time.monotonic() - began:.0f} s in all")


if __name__ == "__main__":
    main()
