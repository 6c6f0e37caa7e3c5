"""The operations as users call them: arguments checked, planned, run, and told as results."""
