"""What a run would read, take and refuse, before any of it is done."""
