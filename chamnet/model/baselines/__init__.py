"""What CHAM-net is compared with, one file each."""
