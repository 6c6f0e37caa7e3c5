"""What the journal and the stores in PostgreSQL share: URLs and connections."""
