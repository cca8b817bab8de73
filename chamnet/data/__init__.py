"""What users bring, read and checked at the door, and the stores it becomes."""
