"""What is shown, computed: pure functions and frozen values, no widget."""
