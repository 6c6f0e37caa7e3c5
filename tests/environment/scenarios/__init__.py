"""Programs that tests run in a process of their own; each fails by raising."""
