"""`seatrial up`: an app file becomes a running application on the embedded cluster, and what changed rolls when it is run again.

`images` makes the team's code runnable, `progress` says what is there and what it waits for (pure), `session` does one after
the other.  What people see of it is in `views`.
"""
