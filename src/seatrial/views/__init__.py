"""What people and machines see: terminal, JSON lines.  Views know events and findings; only the command line knows views."""
