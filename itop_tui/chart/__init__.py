"""Charts, heat maps and scatter plots as widgets."""
