"""What leads to a Nexus server: URLs without their secrets, and calls over HTTP."""
