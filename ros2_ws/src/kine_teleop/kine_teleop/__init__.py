"""Teaching the robot: recording of demonstrations and puppet teleoperation."""
