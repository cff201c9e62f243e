"""What a run recorded: written by a thread, read thinned, cut back when a run goes back."""
