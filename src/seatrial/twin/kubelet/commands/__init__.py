"""What a command does, told from its words: how long it takes, how it ends, what it prints, takes and leaves.

`reading.outcome` is the way in; `grammar` reads a shell's script, `walk` follows it on a clock of its own, `programs` knows what
plain programs do, `images` what well-known images do when they are told nothing or too little.  Nothing is run, and what is not
certain is None: whoever asks falls back to a container that runs on.
"""
