"""Flow matching as action head: a baseline of the pi0.5 kind, chosen by `ModelConfig.action_head`.

Instead of writing action codes, a small transformer turns noise into a chunk of actions while it reads what
the language model made of observation, prompt and reasoning. `matching` holds the mathematics, `expert` the
network, `head` both together, `decoding` the way back to joint targets.
"""

from kinevla.flow.decoding import absolute_targets, chunk_of_sequence
from kinevla.flow.expert import ActionExpert
from kinevla.flow.head import FlowHead
from kinevla.flow.matching import flow_loss, integrate, interpolate, sample_times, velocity_target

__all__ = [
    "ActionExpert",
    "FlowHead",
    "absolute_targets",
    "chunk_of_sequence",
    "flow_loss",
    "integrate",
    "interpolate",
    "sample_times",
    "velocity_target",
]
