"""The scheduler: which node each pod goes to, and in whose words it is told that none will do."""
