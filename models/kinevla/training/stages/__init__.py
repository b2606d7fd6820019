"""What the training engine trains: the action tokenizer in two stages, and the policy."""
