"""From camera frames and joints to what the network reads, one way for conversion, training and the robot.

`pairing` says which images and joint state belong together, `images` brings a camera image to the network's
size, `augmentation` crops and recolours, `observation` makes the input tensors. The joint state is checked
here and scaled in the network, where its range is stored (`KineVLAModel.set_state_range`, `normalise_state`).
"""
