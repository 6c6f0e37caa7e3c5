"""Random histories of a whole deployment, in all weather, against the reference model."""
