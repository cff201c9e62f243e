"""Finding runs: listing, grouping, saved views."""
