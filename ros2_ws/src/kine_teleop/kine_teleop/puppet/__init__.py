"""Puppet teleoperation: a leader arm led by hand, a follower that copies it. Nothing here needs ROS."""
