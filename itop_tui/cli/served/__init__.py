"""The app in a browser: who may open it, and the processes that answer."""
