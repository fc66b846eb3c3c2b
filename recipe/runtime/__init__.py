"""What a process needs to run: the workspace, signals, progress, the machine."""
