"""What this machine has for the current scale, what it lacks, and what to do about it."""
