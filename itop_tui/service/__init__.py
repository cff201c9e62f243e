"""What people do to runs: one function each, called by the app and by the command line."""
