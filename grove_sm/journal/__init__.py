"""Where transactions are decided: the kinds of journal."""
