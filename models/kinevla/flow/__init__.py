"""Flow matching as action head: a baseline of the pi0.5 kind, chosen by `ModelConfig.action_head`.

Instead of writing action codes, a small transformer turns noise into a chunk of actions while it reads what
the language model made of observation, prompt and reasoning. `matching` holds the mathematics, `expert` the
network, `head` both together, `decoding` the chunk that follows a sequence.
"""
