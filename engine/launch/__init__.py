"""Starting runs in the background and recording how they ended; nothing here imports torch.

`submit` is what the app and the commands call; `scheduler` gives queued runs a device; `warden` is the parent of one
worker and its witness; `processes`, `files`, `endings`, `placement`, `devices` and `lock` are what those are made of.
"""
