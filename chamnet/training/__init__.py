"""Episodes, losses and the loop that trains a member."""
