"""Recording of demonstrations, without ROS: one audited rosbag2 folder per episode."""
