"""Databases as each revision's own code wrote them; `make.py` made them, in a checkout of that revision."""
