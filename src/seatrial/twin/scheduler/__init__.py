"""The scheduler: when each pod gets its node, and what is tried when none will do; how a node is chosen is `world.scheduling`."""
