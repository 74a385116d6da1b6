"""What people and machines see: terminal, JSON lines.  Views know events and findings; nothing but the command line knows views."""
