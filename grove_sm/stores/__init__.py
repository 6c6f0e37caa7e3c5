"""Where records live: the kinds of participant."""
