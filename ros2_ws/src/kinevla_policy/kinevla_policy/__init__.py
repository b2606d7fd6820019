"""KineVLA policy node: from images and a sentence to chunks of joint targets."""
