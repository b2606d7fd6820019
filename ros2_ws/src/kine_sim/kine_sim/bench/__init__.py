"""KineBench: many things on the table, and sentences that say how one of them is moved."""
